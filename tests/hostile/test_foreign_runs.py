"""Run directories that others have made: resuming, testing and comparing them writes below them and the cache only."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

Change = Callable[[dict[str, Any], Path], Any]
CHECKPOINT = "lightning.pytorch.callbacks.ModelCheckpoint"
CHANGES: dict[str, Change] = {
    "checkpoints elsewhere": lambda c, p: c["callbacks"].update(more={"_target_": CHECKPOINT, "dirpath": str(p)}),
    "checkpoints upwards": lambda c, p: c["callbacks"].update(more={"_target_": CHECKPOINT, "filename": "../../../evil"}),
    "checkpoints in the working directory": lambda c, p: c["callbacks"].update(more={"_target_": CHECKPOINT, "dirpath": "e"}),
    "logger elsewhere": lambda c, p: c["logger"]["csv"].update(name=str(p)),
    "logger upwards": lambda c, p: c["logger"]["csv"].update(name="../../../evil"),
    "faces drawn elsewhere": lambda c, p: c["data"]["sources"]["toyfaces"].update(root=str(p)),
    "cache elsewhere": lambda c, p: c["loader"].update(cache_dir=str(p)),
    "a download": lambda c, p: c["data"].update(
        sources={"utkface": {"_target_": "agegender.sources.utkface.UTKFace", "root": str(p), "download": True}}
    ),
    "a head that is none": lambda c, p: c.update(head=None),
    "data that are a number": lambda c, p: c.update(data=5),
    "a section that is missing": lambda c, p: c.pop("trainer"),
    "a name of control characters": lambda c, p: c.update(name="\x1b[2J\n=1"),
    "an accelerator that is none": lambda c, p: c["trainer"].update(accelerator="foo"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_configuration(change: str, world: Any, damaged: Callable[[str], Path]) -> None:
    run = damaged(f"foreign {change}")
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["trainer"]["max_epochs"] = 2
    CHANGES[change](config, world.path / "evil")
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    for command in (
        ("agegender.train", f"resume='{run}'"),
        ("agegender.evaluate", f"checkpoint='{run}'"),
        ("agegender.compare", str(run)),
    ):
        world(*command).must_be_decent(str(run), "data.root", "accelerator")
    assert not (world.path / "evil").exists()


@pytest.mark.parametrize("name", ["log.txt", "checkpoints", "curves.png", ".partial.metrics.json", "evaluation", "csv"])
def test_a_link_out_of_the_run_directory(name: str, world: Any, damaged: Callable[[str], Path]) -> None:
    run = damaged(f"linked {name}")
    victim = world.path / "victim"
    victim.mkdir(exist_ok=True)
    if (run / name).is_dir():
        (run / name).rename(victim / name)
    else:
        (run / name).unlink(missing_ok=True)
        (victim / name).write_text("mine")
    (run / name).symlink_to(victim / name)
    for command in (
        ("agegender.train", f"resume='{run}'", "trainer.max_epochs=2"),
        ("agegender.evaluate", f"checkpoint='{run}'"),
    ):
        result = world(*command)
        result.must_be_decent(name)
        assert result.status == 2, result.output


@pytest.mark.parametrize("name", ["config.yaml", "checkpoints/best.ckpt", "split.csv", "metrics.json"])
@pytest.mark.parametrize("kind", ["pipe", "noise"])
def test_a_file_that_is_none(name: str, kind: str, world: Any, damaged: Callable[[str], Path]) -> None:
    run = damaged(f"{kind} {Path(name).name}")
    (run / name).unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(run / name)
    else:
        (run / name).write_bytes(os.urandom(2000))
    world("agegender.evaluate", f"checkpoint='{run}'").must_be_decent(str(run))
    world("agegender.compare", str(run)).must_be_decent(str(run))
