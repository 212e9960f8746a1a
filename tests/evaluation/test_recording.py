"""Recording a test: the files, the log and the loggers tell the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lightning.pytorch.loggers import CSVLogger

from agegender.data.assemble import assemble
from agegender.data.datamodule import FaceDataModule
from agegender.evaluation.logged_test import LoggedTest
from agegender.evaluation.recording import record_test
from agegender.runs.run_directory import RunDirectory

Predictions = dict[str, pd.DataFrame]


class Keeping:
    """A logger that keeps the test."""

    def log_test(self, test: LoggedTest) -> None:
        self.test = test


@pytest.fixture
def data(configure: Callable[..., dict[str, Any]]) -> FaceDataModule:
    module = assemble(configure("split.fractions=[0.6,0.2,0.2]"))
    module.setup()
    return module


@pytest.fixture
def predictions(data: FaceDataModule) -> Predictions:
    """Each age too high by two years, and every face female."""
    table = data.table.frame
    own = table.assign(age_pred=table["age_low"] + 2.0, probability_female=0.9)
    return {split: own[own["split"] == split].reset_index(drop=True) for split in ("val", "test")}


def test_files_log_and_loggers_tell_the_same(
    data: FaceDataModule, predictions: Predictions, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run, logger = RunDirectory(tmp_path / "run"), Keeping()
    with caplog.at_level("INFO", logger="agegender"):
        metrics = record_test(
            run, data, predictions, [0, 30, 60], 0, {"seed": 7}, loggers=[CSVLogger(tmp_path / "csv"), logger]
        )
    assert run.read_metrics() == metrics
    assert (metrics["tested"], metrics["test"]["n"]) == ("test", len(predictions["test"]))
    assert metrics["split"]["sha256"] == data.split_sha256
    assert metrics["split"]["content_sha256"] == data.content_sha256
    assert f"{data.split_sha256[:12]}, content {data.content_sha256[:12]}" in caplog.text
    assert (metrics["seed"], metrics["age_classes"]) == (7, [0, 30, 60])
    for split, frame in predictions.items():
        assert metrics[split]["age_mae"] == pytest.approx(2.0)
        assert metrics[split]["gender_accuracy"] == pytest.approx((frame["gender"] == 1).mean())
    train = data.table.frame[data.table.frame["split"] == "train"]["age_low"]
    guess = np.abs(predictions["test"]["age_low"] - train.median()).mean()
    assert metrics["baseline"]["age_mae"] == pytest.approx(guess)

    written = run.read_predictions()
    assert written is not None
    both = pd.concat(predictions.values()).sort_values(["dataset", "path"], ignore_index=True)
    pd.testing.assert_frame_equal(written, both.drop(columns="row"))
    for picture in (run.predictions_picture, run.faces_picture):
        assert picture.read_bytes().startswith(b"\x89PNG")

    assert "MAE 2.00" in caplog.text and "age class accuracy" in caplog.text and str(run.metrics) in caplog.text
    assert data.sources["utkface"].license in caplog.text
    assert logger.test.metrics == metrics and logger.test.roots == data.table.roots
    pd.testing.assert_frame_equal(logger.test.faces, predictions["test"])
    assert {chart.name for chart in logger.test.charts} >= {"cumulative-score", "confusion-gender"}
    assert logger.test.explained is None
    assert not list(tmp_path.glob("csv/**/*.csv"))


def test_the_last_split_is_the_tested_one(data: FaceDataModule, predictions: Predictions, tmp_path: Path) -> None:
    metrics = record_test(RunDirectory(tmp_path), data, {"val": predictions["val"]}, (), 0)
    assert metrics["tested"] == "val" and "test" not in metrics
