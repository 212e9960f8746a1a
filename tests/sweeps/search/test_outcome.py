"""Importance of parameters and pictures of a finished search."""

import csv
import warnings
from pathlib import Path

import cv2
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution

from agegender.sweeps.search.outcome import draw, write_importance


def search(count: int) -> optuna.Study:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    space = {"optimizer.lr": FloatDistribution(1e-4, 1e-1, log=True), "head": CategoricalDistribution(["dldl", "coral"])}
    for _ in range(count):
        trial = study.ask(space)
        study.tell(trial, (trial.params["optimizer.lr"] - 0.01) ** 2)
    return study


def test_the_parameter_that_decides_is_the_most_important(tmp_path: Path) -> None:
    importance = write_importance(search(60), tmp_path)
    assert importance["optimizer.lr"] > 0.8 and abs(sum(importance.values()) - 1) < 1e-9
    with (tmp_path / "importance.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["parameter"]: float(row["importance"]) for row in rows} == importance
    assert rows[0]["parameter"] == "optimizer.lr"


def test_few_trials_and_equal_trials_say_nothing(tmp_path: Path) -> None:
    study = optuna.create_study()
    for _ in range(5):
        study.tell(study.ask({"x": FloatDistribution(0, 1)}), 1.0)
    assert write_importance(study, tmp_path) == {} == write_importance(search(3), tmp_path)
    assert not list(tmp_path.iterdir())


def test_pictures_are_drawn(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw(search(10), tmp_path, "val/age_mae")
    for name in ("history.png", "parallel_coordinates.png"):
        picture = cv2.imread(str(tmp_path / name))
        assert picture is not None and picture.shape[1] > 300 and picture.std() > 5


def test_one_trial_is_enough_for_pictures(tmp_path: Path) -> None:
    draw(search(1), tmp_path, "val/age_mae")
    assert len(list(tmp_path.glob("*.png"))) == 2
