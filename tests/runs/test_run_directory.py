"""A run directory: what is written can be read, a damaged file is named, and a write is whole or not at all."""

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agegender import whole_files
from agegender.errors import AgeGenderError
from agegender.runs.run_directory import RunDirectory
from agegender.whole_files import WriteError


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path / "run")


def faces() -> pd.DataFrame:
    return pd.DataFrame({
        "dataset": ["b", "a", "a"], "path": ["1", "2", "1"], "sha256": ["x", "y", "z"], "split": ["train", "val", "test"],
        "age_pred": [1.5, 2.5, 3.5], "row": [0, 1, 2],
    })  # fmt: skip


def test_the_latest_test_is_the_later_one_of_run_and_evaluation(run: RunDirectory) -> None:
    assert run.latest_test is run
    run.write_metrics({"test": {}})
    run.evaluation("other").write_metrics({"test": {}})
    assert run.latest_test is run
    run.evaluation("test").write_metrics({"test": {}})
    assert run.latest_test.path == run.evaluation("test").path
    os.utime(run.evaluation("test").metrics, (1, 1))  # the run was resumed and tested again
    assert run.latest_test is run


def test_what_is_written_is_read(run: RunDirectory) -> None:
    run.write_config({"seed": 3, "name": "Ærø"})
    run.write_split("path,split\nß.png,train\n")
    run.write_seen("sha256,phash\nab,cd\n")
    run.write_history([{"epoch": 0, "val/loss": 2.0}, {"epoch": 1, "val/age_mae": 5.0}])
    run.write_model({"parameters": 12})
    run.write_metrics({"test": {"n": 3}})
    run.write_predictions(faces())
    run.write_wandb({"id": "abc", "group": None})
    run.write_groups(pd.DataFrame({"kind": "race", "group": ["=1+1", "White, x"], "value": [0.5, np.nan]}))
    again = RunDirectory(run.path)
    assert again.read_config() == {"seed": 3, "name": "Ærø"}
    assert again.read_split() == "path,split\nß.png,train\n"
    assert again.read_seen() == "sha256,phash\nab,cd\n"
    assert again.read_history() == [{"epoch": 0, "val/loss": 2.0}, {"epoch": 1, "val/age_mae": 5.0}]
    assert again.read_model() == {"parameters": 12}
    assert again.read_metrics() == {"test": {"n": 3}}
    assert again.read_wandb() == {"id": "abc", "group": None}
    assert again.groups.read_text() == 'kind,group,value\nrace,\'=1+1,0.5\nrace,"White, x",\n'
    predictions = again.read_predictions()
    assert predictions is not None and "row" not in predictions
    assert predictions["age_pred"].tolist() == [3.5, 2.5, 1.5]  # sorted by dataset and path


def test_every_file_has_a_path_of_its_own_in_the_folder_and_is_documented(run: RunDirectory) -> None:
    files = {name: file for name, file in vars(run).items() if name != "path"}
    assert len({*files.values()}) == len(files)
    documented = dict(re.findall(r"^        (\w+): ``([\w./]+)``", RunDirectory.__doc__ or "", re.M))
    assert documented == {name: file.relative_to(run.path).as_posix() for name, file in files.items()}


def test_a_class_path_of_an_earlier_version_is_read_as_todays(run: RunDirectory) -> None:
    run.write_config({"finetune": {"frozen": {"_target_": "agegender.training.finetune.Frozen"}}})
    target = run.read_config()["finetune"]["frozen"]["_target_"]
    assert target == "agegender.training.finetuning.stages.Frozen"


def test_metrics_and_papers_of_an_earlier_version_get_todays_keys(run: RunDirectory) -> None:
    run.write_config({"seed": 0, "paper": {"title": "T", "figures": {"test": {"cs5": 0.5}}}})
    run.write_metrics({"schema": 1, "split": {"sha256": "0", "part": "val", "n": 2}, "val": {"n": 2, "age": {"cs5": 0.5}}})
    assert run.read_config() == {"seed": 0, "paper": {"title": "T", "metrics": {"test": {"age_cs5": 0.5}}}}
    expected = {"schema": 3, "tested": "val", "split": {"sha256": "0"}, "age_classes": [], "val": {"n": 2, "age_cs5": 0.5}}
    assert run.read_metrics() == expected


@pytest.mark.parametrize("content", [{"schema": 4}, {"schema": "1"}, {"schema": 1, "test": 5}, {"schema": 1, "split": 5}])
def test_metrics_that_cannot_be_translated_are_an_error(content: dict[str, object], run: RunDirectory) -> None:
    run.write_metrics(content)
    with pytest.raises(AgeGenderError, match=r"metrics\.json: cannot be read") as error:
        run.read_metrics()
    assert len(str(error.value).splitlines()) == 1


def test_what_was_never_recorded(run: RunDirectory) -> None:
    assert run.read_history() == []
    assert run.read_model() == {}
    assert run.read_predictions() is None
    assert run.read_wandb() is None
    for read in (run.read_split, run.read_seen):
        with pytest.raises(AgeGenderError, match="unknown"):
            read()
    with pytest.raises(AgeGenderError, match=r"not a run directory: config\.yaml"):
        run.read_config()
    with pytest.raises(AgeGenderError, match=r"metrics\.json: cannot be read"):
        run.read_metrics()


@pytest.mark.parametrize("name", ["config", "versions", "metrics", "model", "wandb", "history", "predictions"])
def test_a_damaged_file_is_named(name: str, run: RunDirectory) -> None:
    file = getattr(run, name)
    file.parent.mkdir(exist_ok=True)
    file.write_text("epoch\nfirst\n" if name == "history" else "[]")
    with pytest.raises(AgeGenderError, match=rf"{file.name}:? cannot be read") as error:
        getattr(run, f"read_{name}")()
    assert len(str(error.value).splitlines()) == 1


def test_versions_of_a_later_session_are_added_only_if_they_differ(run: RunDirectory) -> None:
    first = {"git": "a", "packages": {"torch": "1"}}
    for versions in (first, first, {**first, "git": "b"}):
        run.write_versions(versions)
    assert run.read_versions() == {**first, "resumed": [{**first, "git": "b"}]}


def test_a_write_that_fails_leaves_the_old_file(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    run.write_metrics({"n": 1})
    with pytest.raises(ValueError, match="JSON"):
        run.write_metrics({"n": float("nan")})
    with monkeypatch.context() as patch, pytest.raises(WriteError, match=r"metrics\.json: cannot be written: disk full"):
        patch.setattr(whole_files.os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        run.write_metrics({"n": 2})
    assert run.read_metrics() == {"n": 1} and [file.name for file in run.path.iterdir()] == ["metrics.json"]


def test_an_evaluation_knows_its_run(run: RunDirectory) -> None:
    own = run.evaluation("val")
    assert own.evaluation_of is None  # nothing has been written yet
    own.write_metrics({})
    assert own.evaluation_of is None  # a folder of runs has evaluations too, and is no run
    run.write_config({})
    assert own.evaluation_of is not None and own.evaluation_of.path == run.path.resolve()
    assert run.evaluation_of is None


def calibration(offset: float | None) -> dict[str, object]:
    levels = {"90": {"conformal": {"": offset}}} if offset else {}
    age = {"levels": levels, "reason": None if offset else "selected"}
    return {"schema": 1, "split": "test", "age_range": [0, 90], "age": age, "gender": {"reason": "none"}}


def test_the_calibration_is_that_of_the_own_test_or_of_its_evaluation(run: RunDirectory) -> None:
    assert run.read_calibration() is None
    run.write_calibration(calibration(None))  # the training left the test split alone
    assert run.read_calibration() == calibration(None)
    run.evaluation("test").write_calibration(calibration(3.0))
    assert run.read_calibration() == calibration(3.0)
    run.write_calibration(calibration(5.0))
    assert run.read_calibration() == calibration(5.0)
    run.calibration.write_text('{"schema": 7, "age": {}, "gender": {}}')
    with pytest.raises(AgeGenderError, match=r"calibration\.json: cannot be read: ValueError: schema 7"):
        run.read_calibration()


@pytest.mark.parametrize("name", ["log.txt", "checkpoints", ".config.yaml.partial", "evaluation/test"])
def test_a_link_that_leads_out_of_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    (run.path / name).parent.mkdir(parents=True)
    (run.path / "inside").symlink_to("config.yaml")
    run.require_no_links_outside()
    (run.path / name).symlink_to(tmp_path / "victim")
    with pytest.raises(AgeGenderError, match=f"{re.escape(name)}: a symbolic link to .*victim, outside the run directory"):
        run.require_no_links_outside()


def test_a_link_of_wandb_to_its_own_log_is_allowed(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    logs = run.path / "wandb" / "offline-run-1" / "logs"
    logs.mkdir(parents=True)
    (tmp_path / "core.log").touch()
    (logs / "debug-core.log").symlink_to(tmp_path / "core.log")
    run.require_no_links_outside()
    (run.path / "wandb" / "debug.log").symlink_to(tmp_path / "core.log")
    with pytest.raises(AgeGenderError, match="symbolic link"):
        run.require_no_links_outside()
