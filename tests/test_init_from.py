"""Two trainings one after the other: what the second inherits, and that faces of the first do not test it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pandas as pd
import pytest
import torch

from agegender.compare import main as compare
from agegender.configuration.command import compose
from agegender.configuration.resume import continued
from agegender.errors import AgeGenderError
from agegender.evaluate import evaluate
from agegender.export import main as export
from agegender.models.checkpoint import load_network, read_checkpoint
from agegender.runs.chain import chain_of
from agegender.runs.run_directory import RunDirectory
from agegender.train import train

SETTINGS = ["image_size=32", "backbone.widths=[4,8]", "loader.batch_size=8", "trainer.max_epochs=1", "logger=none"]
TOYFACES = ["data=toyfaces", "data.sources.toyfaces.n=60"]


@pytest.fixture(scope="module")
def second(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on toy faces that starts from a run on generated faces, with another crop in the first one's checkpoint."""
    folder = tmp_path_factory.mktemp("second")
    shutil.copytree(trained_run, folder / "first")
    first = RunDirectory(folder / "first")
    checkpoint = torch.load(first.best, weights_only=True)
    checkpoint["hyper_parameters"]["about"]["crops"] = {"utkface": {"fit": "pad", "scale": 0.9, "outside": "black"}}
    torch.save(checkpoint, first.best)
    overrides = [f"data.root={folder / 'toyfaces'}", f"init_from={first.path}", "head=regression"]
    train(compose([*TOYFACES, *SETTINGS, *overrides]), RunDirectory(folder / "run"))
    return folder / "run"


def with_copies(trained_run: Path, faces: Path, folder: Path) -> Path:
    """Adds 16 training faces of a run to a folder of new faces, under new names: 8 as they are, and 8 encoded again."""
    split = pd.read_csv(RunDirectory(trained_run).split)
    for number, name in enumerate(split[split["split"] == "train"]["path"].iloc[:16]):
        target = folder / name.replace("_2017", "_2018")
        if number % 2:
            shutil.copy(faces / name, target)
        else:
            cv2.imwrite(str(target), cv2.imread(str(faces / name)), [cv2.IMWRITE_JPEG_QUALITY, 94])
    return folder


def test_the_second_training_inherits_and_records(second: Path) -> None:
    run, first = RunDirectory(second), RunDirectory(second.parent / "first")
    log = run.log.read_text()
    assert "backbone: 10 of 10 tensors loaded" in log and "heads.gender: 2 of 2 tensors loaded" in log
    assert "in the earlier model, [1, 8] here" in log
    lines = set(run.read_seen().splitlines())
    assert set(first.read_seen().splitlines()) < lines and len(lines) == 1 + 54 + 54
    data = run.read_config()["data"]
    assert (data["fit"], data["crop_scale"], data["outside"]) == ("pad", 0.9, "black")
    assert run.read_config()["init_from"] == str(first.path)
    (stage,) = chain_of(run)
    assert (stage.path, stage.seen, list(stage.data)) == (str(first.path), 54, ["utkface"])
    assert list(load_network(run.best).licenses) == ["utkface", "toyfaces"]
    assert list(read_checkpoint(run.best)["hyper_parameters"]["about"]["data"]) == ["toyfaces"]
    assert run.read_metrics()["excluded"] == {"byte_identical": 0, "near_identical": 0}


def test_the_first_run_is_not_needed_again(second: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(second, tmp_path / "run")
    run = RunDirectory(tmp_path / "run")
    saved = run.read_config()
    saved["init_from"] = str(tmp_path / "gone")
    run.write_config(saved)
    with pytest.raises(AgeGenderError, match=r"^init_from=/x: a resumed run keeps its configuration"):
        continued(saved, ["init_from=/x"], run.path)
    before = run.read_seen()
    train(continued(saved, ["trainer.max_epochs=2"], run.path), run, resuming=True)
    assert len(run.read_history()) == 2 and run.read_seen() == before
    metrics = evaluate(run, run.read_config(), "test")
    assert metrics["excluded"] == {"byte_identical": 0, "near_identical": 0}
    card = (run.evaluation("test").model_card).read_text()
    assert "- utkface: " in card and "- toyfaces: " in card
    export([str(run.path), str(tmp_path / "bundle"), "--format", "safetensors"])
    note = (tmp_path / "bundle" / "licenses.md").read_text()
    assert "| utkface |" in note and "a model trained on utkface, which began with: random" in note
    compare([str(run.path)])
    assert "trained on utkface then toyfaces" in capsys.readouterr().out


def test_leaked_faces_are_refused_or_left_out(
    trained_run: Path, faces: Path, make_utkface: Callable[..., Path], tmp_path: Path
) -> None:
    root = with_copies(trained_run, faces, make_utkface(tmp_path / "faces", 24, seed=7))
    overrides = ["data=utkface", f"data.root={root}", "head=dldl", f"init_from={trained_run}", "split.fractions=[0.3,0.3,0.4]"]
    with pytest.raises(AgeGenderError, match=r"^(\d+) of (\d+) faces are copies of images of .* seen=exclude") as error:
        train(compose([*SETTINGS, *overrides]), RunDirectory(tmp_path / "refused"))
    assert len(str(error.value).splitlines()) == 1
    copies, tested = (int(number) for number in str(error.value).split()[0:3:2])

    run = RunDirectory(tmp_path / "excluded")
    train(compose([*SETTINGS, *overrides, "seen=exclude"]), run)
    metrics = run.read_metrics()
    assert all(metrics["excluded"].values()) and sum(metrics["excluded"].values()) == copies
    assert metrics["test"]["n"] == tested - copies
    split = pd.read_csv(run.split).query("split == 'test'")
    assert not split["path"].str.contains("_2018").any()
    assert "validation faces are copies of images that an earlier model" in run.log.read_text()
    assert evaluate(run, run.read_config(), "test", report="none")["test"]["n"] == tested - copies


def test_a_chain_of_three_and_images_that_are_not_recorded(second: Path, faces: Path, tmp_path: Path) -> None:
    shutil.copytree(second, tmp_path / "second")
    RunDirectory(tmp_path / "second").seen.unlink()
    run = RunDirectory(tmp_path / "third")
    overrides = ["data=utkface", f"data.root={faces}", f"init_from={tmp_path / 'second'}", "head=regression"]
    train(compose([*SETTINGS, *overrides]), run)
    assert "earlier training 2: it has no seen.txt, so it is not checked" in run.log.read_text()
    assert [(list(stage.data), stage.seen) for stage in chain_of(run)] == [(["utkface"], 54), (["toyfaces"], None)]
    assert not run.seen_before.exists() and "excluded" not in run.read_metrics()
    about: Any = read_checkpoint(run.best)["hyper_parameters"]["about"]
    assert [list(stage) for stage in about["earlier"]] == [["data", "sha256", "seen"]] * 2
