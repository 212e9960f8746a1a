"""Which overrides a resumed run accepts."""

from pathlib import Path
from typing import Any

import pytest

from agegender.configuration.command import compose
from agegender.configuration.resume import continued
from agegender.errors import AgeGenderError

RUN = Path("some/run")


@pytest.fixture(scope="module")
def saved() -> dict[str, Any]:
    return compose(["data=utkface", "data.root=/faces"])


def test_without_overrides_only_the_run_directory_is_added(saved: dict[str, Any]) -> None:
    assert continued(saved, [], RUN) == {**saved, "resume": "some/run"}
    assert saved["resume"] is None


def test_overrides_that_leave_the_model_alone_are_applied(saved: dict[str, Any]) -> None:
    overrides = ["resume=x", "hydra.run.dir=y", "trainer.max_epochs=7", "loader.batch_size=4", "test=false", "data.root=/moved"]
    config = continued(saved, overrides, RUN)
    assert (config["trainer"]["max_epochs"], config["loader"]["batch_size"], config["test"]) == (7, 4, False)
    assert config["data"]["sources"]["utkface"]["root"] == "/moved"


def test_input_files_and_folders_may_have_moved_but_a_file_keeps_its_name() -> None:
    split, weights = (
        ["split=file", "split.train=/a/train.csv", "split.test=/a/test.csv"],
        "backbone.weights=/a/face.safetensors",
    )
    saved = compose(["data=toyfaces", *split, "backbone=resnet50", weights])
    config = continued(saved, ["split.train=/b/train.csv", "backbone.weights=/b/face.safetensors", "data.root=/b"], RUN)
    assert (config["split"]["train"], config["split"]["test"]) == ("/b/train.csv", "/a/test.csv")
    assert config["backbone"]["weights"] == "/b/face.safetensors"
    assert config["data"]["sources"]["toyfaces"]["root"] == "/b"
    for override in (
        "split.train=/a/other.csv",
        "backbone.weights=/a/other.safetensors",
        "split.val=/a/val.csv",
        "split.column=x",
    ):
        with pytest.raises(AgeGenderError, match=r"keeps its configuration.* file or folder"):
            continued(saved, [override], RUN)


@pytest.mark.parametrize(
    "override",
    ["optimizer.lr=1e-4", "seed=5", "split.seed=7", "callbacks.early_stopping.patience=1", "head.sigma=9", "backbone=resnet50",
     "trainer=gpu", "logger=none"],
)  # fmt: skip
def test_an_override_that_changes_the_run_is_refused_with_what_is_allowed(override: str, saved: dict[str, Any]) -> None:
    with pytest.raises(AgeGenderError) as error:
        continued(saved, ["resume=x", override], RUN)
    for text in (override, "keeps its configuration", "new run", "trainer.*", "compile"):
        assert text in str(error.value)


def test_a_key_that_the_run_does_not_have(saved: dict[str, Any]) -> None:
    with pytest.raises(AgeGenderError, match=r"trainer\.nonsense=1: the run in some/run has no key trainer\.nonsense"):
        continued(saved, ["trainer.nonsense=1"], RUN)


def test_a_one_cycle_schedule_keeps_its_length() -> None:
    saved = compose(["schedule=one_cycle", "trainer.max_epochs=1"])
    assert continued(saved, ["trainer.max_epochs=1"], RUN)["trainer"]["max_epochs"] == 1
    with pytest.raises(AgeGenderError, match="one-cycle"):
        continued(saved, ["trainer.max_epochs=2"], RUN)
