"""Run directories are found and read as they are, and refused when their parts do not belong together."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from agegender.errors import AgeGenderError
from agegender.evaluation.runs import find, read

Write = Callable[..., Path]


def test_runs_are_found_below_a_folder_once_and_in_order(write_run: Write, tmp_path: Path) -> None:
    one, two = write_run("sweep/1", [1.0]), write_run("sweep/0", [1.0])
    (one / "evaluation" / "config.yaml").mkdir(parents=True)  # what lies inside a run is no run
    (one / "inner").mkdir()
    (one / "inner" / "config.yaml").write_text("{}")
    assert find([one, tmp_path / "sweep"]) == [one, two]
    (tmp_path / "empty").mkdir()
    with pytest.raises(AgeGenderError, match=r"empty: neither a run directory"):
        find([tmp_path / "sweep", tmp_path / "empty"])


def test_what_a_run_holds(write_run: Write) -> None:
    run = read(write_run("a", [1.0, -2.0, 6.0], right=[True, True, False], seed=3))
    assert (run.seed, run.part, run.count("test"), run.count("train"), run.train_seconds) == (3, "test", 3, 100, 121.5)
    assert run.figure("mae") == pytest.approx(3.0)
    assert run.figure("cs5") == pytest.approx(2 / 3)
    assert run.figure("gender_accuracy") == pytest.approx(2 / 3)
    assert run.figure("mae", "val") == 5.0
    assert run.figure("rmse", "val") is None and run.figure("gender_loss") is None
    faces = run.faces()
    assert faces is not None and list(faces["path"]) == ["face0000.jpg", "face0001.jpg", "face0002.jpg"]


def test_a_test_set_is_its_faces_pixels_and_labels_and_nothing_else(write_run: Write) -> None:
    same = read(write_run("a", [1.0, 2.0]))
    moved = read(write_run("b", [9.0, 0.0], right=[True, False], seed=4))
    assert same.test_set == moved.test_set
    others = [write_run("c", [1.0, 2.0], faces="other"), write_run("d", [1.0, 2.0, 3.0]), write_run("e", [1.0, 2.0], width=5)]
    other_pixels = write_run("f", [1.0, 2.0])
    frame = pd.read_parquet(other_pixels / "predictions.parquet")
    frame.assign(sha256="0").to_parquet(other_pixels / "predictions.parquet")
    sets = [read(path).test_set for path in [*others, other_pixels]]
    assert len({same.test_set, *sets}) == 5


def test_without_predictions_the_split_tells_the_test_set(write_run: Write) -> None:
    run = read(write_run("a", [1.0], predictions=False))
    assert run.faces() is None and "split face000" in run.test_set


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("metrics.json", None, "not tested, or not yet"),
        ("metrics.json", "{", "cannot be read"),
        ("metrics.json", "{}", "cannot be read"),
        ("metrics.json", "[]", "cannot be read"),
        ("config.yaml", "a: [", "cannot be read"),
        ("config.yaml", "just words", "cannot be read"),
        ("history.csv", "epoch\nfirst\n", "cannot be read"),
        ("predictions.parquet", "no parquet", "cannot be read"),
    ],
)
def test_a_broken_file_is_told(write_run: Write, file: str, content: str | None, message: str) -> None:
    folder = write_run("a", [1.0])
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_text(content)
    with pytest.raises(AgeGenderError, match=message) as error:
        read(folder)
    assert str(folder) in str(error.value)


def test_predictions_of_another_test_are_refused(write_run: Write) -> None:
    folder = write_run("a", [1.0, 2.0])
    frame = pd.read_parquet(folder / "predictions.parquet")
    frame.assign(age_pred=frame["age_pred"] + 1).to_parquet(folder / "predictions.parquet")
    with pytest.raises(AgeGenderError, match=r"MAE 2\.5000, metrics\.json 1\.5000"):
        read(folder)
    frame.iloc[:1].to_parquet(folder / "predictions.parquet")
    with pytest.raises(AgeGenderError, match=r"1 test faces, metrics\.json 2"):
        read(folder)


def test_what_a_run_recorded_of_its_model_is_read(write_run: Write) -> None:
    folder = write_run("a", [1.0])
    (folder / "model.json").write_text(json.dumps({"parameters": 12, "flops": 34}))
    assert read(folder).model == {"parameters": 12, "flops": 34}
