"""The data module of a configuration: every key reaches its argument, and nothing is read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agegender.data.assemble import assemble
from agegender.data.augment import Flip
from agegender.data.sampler import AgeBalancedSampler
from agegender.data.splits import RandomSplit
from agegender.sources.utkface import UTKFace

Configure = Callable[..., dict[str, Any]]


def test_every_section_reaches_the_data_module(configure: Configure, tmp_path: Path) -> None:
    module = assemble(
        configure(
            "seed=5", "image_size=24", "age_range=[10,80]", "tasks=[age]", "data.duplicates=keep", "data.near_copies=12",
            "data.damaged=keep", "split.fractions=[0.6,0.2,0.2]", "sampler=age_balanced", "sampler.band=7", "augment=flip",
            "loader.batch_size=3", "loader.num_workers=2", f"loader.cache_dir={tmp_path}",
        )
    )  # fmt: skip
    (source,) = module.sources.values()
    assert isinstance(source, UTKFace)
    assert isinstance(module.split, RandomSplit) and module.split.fractions == (0.6, 0.2, 0.2) and module.split.seed == 5
    assert isinstance(module.sampler, AgeBalancedSampler) and module.sampler.band == 7
    assert isinstance(module.augment, Flip)
    assert (module.seed, module.image_size, module.age_range, module.tasks) == (5, 24, [10, 80], ["age"])
    assert (module.duplicates, module.near_copies, module.damaged) == ("keep", 12, "keep")
    assert assemble(configure()).damaged == "skip"
    assert (module.batch_size, module.num_workers, module.cache_dir) == (3, 2, tmp_path)


def test_a_run_of_an_earlier_version_has_the_same_faces_as_then(configure: Configure) -> None:
    config = configure()
    del config["data"]["near_copies"], config["data"]["damaged"]
    module = assemble(config)
    assert module.near_copies is None and module.damaged == "keep"


def test_no_file_is_read(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UTKFace, "read", lambda self: pytest.fail("the folder was read"))
    assemble(configure("data.root=/nowhere"))


def test_listed_faces_are_left_out_of_training_and_the_test_split_stays_the_same(
    configure: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    plain = assemble(configure())
    plain.setup()
    names = plain.table.frame["path"]
    file = tmp_path / "list.csv"
    file.write_text("\n".join(["path", names[plain.rows("train")[0]], names[plain.rows("test")[0]], ""]))
    data = assemble(configure(f"data.exclude={file}"))
    data.setup()
    assert [len(data.rows(split)) - len(plain.rows(split)) for split in ("train", "val", "test")] == [-1, 0, 0]
    assert set(data.table.frame["path"][data.rows("test")]) == set(names[plain.rows("test")])
