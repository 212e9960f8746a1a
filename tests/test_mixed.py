"""Exact ages and age ranges in one run, from miniatures of both data sets to the figures of each."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from agegender.configuration.schema import validate
from agegender.data.assemble import assemble
from agegender.errors import AgeGenderError
from agegender.evaluate import evaluate
from agegender.models.checkpoint import load_network
from agegender.runs.run_directory import RunDirectory
from agegender.sources.fairface import RACES
from agegender.train import train


@pytest.fixture
def configure_mixed(configure: Callable[..., dict[str, Any]], faces: Path, fairface: Path) -> Callable[..., dict[str, Any]]:
    def configure_mixed(*overrides: str) -> dict[str, Any]:
        roots = [f"data.utkface.root={faces}", f"data.fairface.root={fairface}"]
        config = configure("data=mixed", *roots, "data.pretrained=false", *overrides)
        validate(config)
        return config

    return configure_mixed


def run(config: dict[str, Any], folder: Path) -> tuple[RunDirectory, dict[str, Any]]:
    directory = RunDirectory(folder)
    train(config, directory)
    return directory, json.loads(directory.metrics.read_text())


def test_a_mixed_run_tells_the_figures_of_each_data_set(configure_mixed: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    directory, metrics = run(configure_mixed("sampler=by_dataset", "monitor=val/fairface/age_distance"), tmp_path / "run")
    split = pd.read_csv(directory.path / "split.csv")
    numbers = split.groupby("dataset")["split"].value_counts()
    assert numbers["fairface"].to_dict() == {"train": 79, "test": 27, "val": 10}  # train/1.jpg is a copy of a test face
    assert numbers["utkface"].to_dict() == {"train": 48, "val": 6, "test": 6}
    assert metrics["split"]["name"].startswith("predefined splits of fairface, else random")

    test = metrics["test"]
    own = test["by_dataset"]
    assert set(own) == {"utkface", "fairface"} and (own["utkface"]["n"], own["fairface"]["n"], test["n"]) == (6, 27, 33)
    assert own["utkface"]["n_exact_age"] == 6 and own["utkface"]["age_mae"] == test["age_mae"]
    assert (own["fairface"]["n_exact_age"], own["fairface"]["n_age_range"]) == (0, 27)
    both = (6 * own["utkface"]["age_distance"] + 27 * own["fairface"]["age_distance"]) / 33
    assert test["age_distance"] == pytest.approx(both)
    assert set(own["fairface"]["by_group"]["race"]) == set(RACES)
    assert sum(row["n"] for row in own["fairface"]["by_group"]["race_gender"].values()) == 27

    with (directory.path / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    named = {"utkface/age_mae", "utkface/age_distance", "utkface/gender_accuracy", "fairface/age_distance"}
    assert {f"val/{name}" for name in named} < set(rows[0]) and "val/fairface/age_mae" not in rows[0]
    best = min(float(row["val/fairface/age_distance"]) for row in rows)
    assert best == pytest.approx(metrics["val"]["by_dataset"]["fairface"]["age_distance"], rel=1e-4)

    text = (directory.path / "log.txt").read_text(encoding="utf-8")
    assert "of these 6 faces of utkface" in text and "of these 27 faces of fairface" in text
    assert "Southeast Asian  male" in text and "13 ages in the label files to dates (9-Mar)" in text
    again = evaluate(directory, directory.read_config(), "test")
    assert again["test"]["by_dataset"] == own


def test_each_data_set_has_its_own_crop_scale(configure_mixed: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    directory, metrics = run(configure_mixed("data.crop_scale.fairface=0.8", "trainer.max_epochs=1"), tmp_path / "run")
    own = {"utkface": 1.0, "fairface": 0.8}
    assert directory.read_config()["data"]["crop_scale"] == own
    assert {name: images["crop_scale"] for name, images in metrics["images"].items()} == own
    assert "fairface: the region is scaled by 0.8 about its centre" in directory.log.read_text(encoding="utf-8")
    assert {name: crop.scale for name, crop in load_network(directory.best).crops.items()} == own
    assert evaluate(directory, directory.read_config(), "test")["test"] == metrics["test"]
    with pytest.raises(AgeGenderError, match=r"data.crop_scale.utkfaces: there is no such dataset"):
        assemble(configure_mixed("+data.crop_scale.utkfaces=0.8"))


def test_utkface_has_the_same_parts_alone_and_in_the_mixture(
    configure: Callable[..., dict[str, Any]], configure_mixed: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    frames = []
    for name, config in (("alone", configure("trainer.max_epochs=1")), ("mixed", configure_mixed("trainer.max_epochs=1"))):
        directory, metrics = run(config, tmp_path / name)
        frame = pd.read_csv(directory.path / "split.csv")
        frames.append(frame[frame["dataset"] == "utkface"].reset_index(drop=True))
        assert ("by_dataset" in metrics["test"]) == (name == "mixed")
    assert frames[0].equals(frames[1])
