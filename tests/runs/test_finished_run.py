"""A tested run: which split, faces and epoch its metrics are of."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from agegender.runs.finished_run import Run

HISTORY = [
    {"epoch": 0.0, "seconds": 60.0, "val/age_mae": 6.0, "val/gender_loss": 0.3, "train/age_mae": 8.0},
    {"epoch": 1.0, "seconds": 61.5, "val/age_mae": 5.5, "val/gender_loss": 0.4, "train/age_mae": 3.5},
]


def run(
    sources: str = "utkface", tested: str = "test", trained: Run | None = None, classes: Sequence[int] = (), **settings: Any
) -> Run:
    faces = pd.DataFrame({
        "dataset": sources, "path": ["a", "b", "c"], "sha256": ["0", "1", "2"], "split": ["val", "test", "test"],
        "age_low": [1.0, 2.0, 3.0], "age_high": [1.0, 2.0, 3.0], "gender": [0, 1, None], "age_pred": 2.0,
    })  # fmt: skip
    config = {"seed": 3, "split": {"seed": 4}, "data": {"sources": {sources: {}}}, **settings}
    metrics = {
        "tested": tested,
        "split": {"sha256": "f00"},
        "age_classes": classes,
        "test": {"n": 2, "age_mae": 0.5},
        "val": {"n": 1, "age_mae": 5.0, "gender_accuracy": None},
        "train": {"n": 100, "epoch": 1, "age_mae": 3.0},
    }
    history = trained.history if trained else HISTORY
    return Run(Path("run"), config, metrics, faces, history, {"latency_ms": 8.0}, trained)


def test_a_metric_is_of_the_tested_split_and_epoch_or_of_the_last_epoch() -> None:
    one = run()
    assert (one.metric("age_mae"), one.metric("age_mae", "val"), one.metric("age_mae", "train")) == (0.5, 5.0, 3.0)
    assert one.metric("gender_loss", "val") == 0.3  # not in metrics.json: of epoch 1, which was tested
    assert (one.metric("age_mae", "val", last=True), one.metric("age_mae", "train", last=True)) == (5.5, 3.5)
    assert one.metric("gender_accuracy", "val") is None and one.metric("age_mae", "test", last=True) is None
    assert one.metric("latency_ms") == 8.0


def test_a_later_test_has_no_history_of_its_own() -> None:
    later = run("fairface", trained=run())
    assert later.metric("gender_loss", "val") is None and later.origin.metric("gender_loss", "val") == 0.3
    assert (later.elsewhere, later.origin.elsewhere) == (True, False)


def test_a_test_set_is_its_faces_with_labels_and_not_its_predictions() -> None:
    one, val = run(), run(tested="val")
    assert one.faces() is not None and list(one.faces()["path"]) == ["b", "c"]  # type: ignore[index]
    assert one.test_set != val.test_set
    assert one.predictions is not None
    other = Run(one.path, one.config, one.metrics, one.predictions.assign(age_pred=9.0), [], {})
    assert other.test_set == one.test_set
    without = Run(one.path, one.config, one.metrics, None, [], {})
    assert without.test_set == "test faces of split f00" and without.faces() is None


def test_seeds_classes_counts_and_time() -> None:
    one = run(classes=[0, 26])
    assert (one.draw, one.age_classes, one.count("test"), one.count("train"), one.count("none")) == (
        (3, (4, None)),
        (0, 26),
        2,
        100,
        0,
    )
    assert one.train_seconds == 121.5 and run().age_classes == ()
    assert Run(one.path, one.config, one.metrics, None, [], {}).train_seconds is None


def test_only_a_split_into_folds_has_folds() -> None:
    folds = {"_target_": "agegender.data.folds.Folds", "number": 1, "count": 5, "seed": 4}
    one = run(split=folds)
    assert (one.fold, one.folds, one.draw) == (1, 5, (3, (4, 1)))
    assert run(split={**folds, "_target_": "agegender.data.other.Other"}).fold is None
