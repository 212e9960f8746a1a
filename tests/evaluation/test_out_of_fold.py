"""A cross-validation from the command line, and what its out-of-fold predictions give."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from agegender.compare import main as compare
from agegender.configuration.paths import CONF
from agegender.errors import AgeGenderError
from agegender.evaluation.out_of_fold import evaluate_out_of_fold
from agegender.runs.run_directory import RunDirectory

TINY = ["image_size=16", "backbone.widths=[4,8]", "loader.batch_size=8", "trainer.max_epochs=1", "logger=none"]


def command(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(CONF.parent)}
    done = subprocess.run(
        [sys.executable, "-m", *arguments], capture_output=True, text=True, cwd=folder, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def swept(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tested folds of the sixty generated faces."""
    folder = tmp_path_factory.mktemp("folds")
    folds = ["split=folds", "split.count=2", "split.number=range(2)", "test=true", "hydra.sweep.dir=sweep"]
    command(folder, "agegender.train", "-m", "data=utkface", f"data.root={faces}", *folds, *TINY)
    return folder / "sweep"


@pytest.fixture
def sweep(swept: Path, tmp_path: Path) -> Path:
    """A copy, so that no test sees the results of another."""
    return shutil.copytree(swept, tmp_path / "sweep")


def test_each_face_is_predicted_by_the_run_that_was_not_trained_on_it(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "test split: 60 faces, split out of fold" in command(sweep, "agegender.evaluate", "folds=.", "report=none")
    pooled = RunDirectory(sweep).evaluation("out-of-fold")
    metrics, predictions = pooled.read_metrics(), pooled.read_predictions()
    assert metrics["test"]["n"] == 60 and predictions is not None and not predictions.duplicated("path").any()
    assert metrics["out_of_fold"] == {"folds": 2, "runs": ["0", "1"], "unmatched": 0}
    parts = []
    for number in "01":
        run = RunDirectory(sweep / number)
        tested = run.read_predictions()
        assert tested is not None
        parts.append(tested[tested["split"] == "test"])
        trained = pd.read_csv(run.split).query("split != 'test'")["path"]
        assert not set(parts[-1]["path"]) & set(trained)
    expected = pd.concat(parts).sort_values("path", ignore_index=True)
    pd.testing.assert_series_equal(predictions["age_pred"], expected["age_pred"])
    mean = (
        sum(RunDirectory(sweep / n).read_metrics()["test"]["age_mae"] * len(p) for n, p in zip("01", parts, strict=True)) / 60
    )
    assert metrics["test"]["age_mae"] == pytest.approx(mean, rel=1e-5)
    compare([str(sweep)])  # the pooled result is no run of the sweep
    printed = capsys.readouterr().out
    assert "2 of 2" in printed and "2 sets of" in printed and "out of fold" not in printed
    compare([str(sweep / "evaluation")])
    assert "out of fold" in capsys.readouterr().out


def test_runs_that_do_not_form_a_cross_validation_are_refused(sweep: Path, tmp_path: Path) -> None:
    with pytest.raises(AgeGenderError, match=r"folds=.*nothing: holds no run with split=folds"):
        evaluate_out_of_fold(tmp_path / "nothing")
    run = RunDirectory(sweep / "1")
    config = run.read_config()
    run.write_config({**config, "image_size": 32})
    with pytest.raises(AgeGenderError, match="1 differ in more than the fold"):
        evaluate_out_of_fold(sweep)
    run.write_config({**config, "split": {**config["split"], "number": 0}})
    with pytest.raises(AgeGenderError, match="both test fold 0"):
        evaluate_out_of_fold(sweep)
    run.write_config({**config, "split": {"_target_": "agegender.data.splits.RandomSplit"}})
    with pytest.raises(AgeGenderError, match="1: not a run with split=folds"):
        evaluate_out_of_fold(sweep)
    shutil.rmtree(run.path)
    with pytest.raises(AgeGenderError, match="no run of fold 1 of 2"):
        evaluate_out_of_fold(sweep)
