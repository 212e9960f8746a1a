"""Whole runs on generated faces: every choice of every group trains and is tested, and the run directory is complete."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import timm
import torch
import yaml

from agegender.configuration.command import compose
from agegender.configuration.paths import CONF
from agegender.configuration.schema import validate
from agegender.errors import AgeGenderError
from agegender.evaluate import evaluate
from agegender.metrics.registry import BY_KEY
from agegender.models.checkpoint import read_checkpoint
from agegender.runs.run_directory import RunDirectory
from agegender.train import train
from agegender.training.module import AgeGenderModule

Configure = Callable[..., dict[str, Any]]
GROUPS = {group: sorted(path.stem for path in (CONF / group).glob("*.yaml")) for group in ("backbone", "head", "balance")}


def run(config: dict[str, Any], folder: Path, resuming: bool = False) -> RunDirectory:
    directory = RunDirectory(folder)
    validate(config)
    train(config, directory, resuming)
    return directory


def weights(checkpoint: dict[str, Any]) -> dict[str, torch.Tensor]:
    return checkpoint["state_dict"]


# Every head with both balances on one backbone, and every backbone with two heads.
COMBINATIONS = [("custom_cnn", head, balance) for head in GROUPS["head"] for balance in GROUPS["balance"]]
COMBINATIONS += [
    (backbone, *parts)
    for backbone in GROUPS["backbone"]
    if backbone != "custom_cnn"
    for parts in (("dldl", "fixed"), ("regression", "uncertainty"))
]


@pytest.mark.parametrize(("backbone", "head", "balance"), COMBINATIONS)
def test_every_backbone_head_and_balance_trains_tests_and_predicts(
    backbone: str, head: str, balance: str, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = timm.create_model  # timm's own miniature stands in for architectures too large for a whole run
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: real("test_efficientnet", num_classes=0))
    small = ["image_size=32", "loader.batch_size=8", "trainer.max_epochs=1", "trainer.limit_train_batches=1", "logger=none"]
    widths = ["backbone.widths=[4,8]"] if "cnn" in backbone else ["backbone.pretrained=false", "backbone.weights=null"]
    parts = [f"backbone={backbone}", f"head={head}", f"balance={balance}"]
    directory = run(compose(["data=utkface", f"data.root={faces}", *small, *widths, *parts]), tmp_path)
    metrics = json.loads(directory.metrics.read_text())
    assert metrics["tested"] == "test" and metrics["test"]["n"] > 0
    assert np.isfinite([metrics["test"]["age_mae"], metrics["test"]["gender_accuracy"]]).all()


@pytest.mark.parametrize("tasks", ["[age]", "[gender]"])
def test_one_task_alone(tasks: str, configure: Configure, tmp_path: Path) -> None:
    directory = run(configure(f"tasks={tasks}"), tmp_path)
    test = json.loads(directory.metrics.read_text())["test"]
    measured = {metric.needs.task for key, metric in BY_KEY.items() if metric.needs and key in test}
    assert measured == {tasks.strip("[]")} and not {"n_age", "n_gender"} <= set(test)


@pytest.mark.parametrize(
    "overrides",
    [
        ["augment=standard", "augment.hole_size=4", "schedule=one_cycle", "optimizer=sgd", "optimizer.lr=0.01"],
        ["sampler=lds", "head=laplace", "tasks=[age]"],
        ["augment=geometric", "schedule=plateau", "optimizer=adam", "sampler=age_balanced"],
        ["callbacks=ema", "trainer.accumulate_grad_batches=2", "trainer.gradient_clip_val=1.0"],
        ["finetune=frozen", "trunk=linear512", "tower=linear256", "gender_head=bce", "schedule=constant"],
        ["trainer.precision=bf16-mixed", "loader.cache=none", "augment=none", "logger=tensorboard", "head=coral"],
        ["pool=flatten", "tasks=[gender,age]", "head=age_bins", "head.readout=median"],
        ["loader.num_workers=2", "split.fractions=[0.6,0.2,0.2]", "data.duplicates=keep"],
    ],
)
def test_every_other_choice_runs(overrides: list[str], configure: Configure, tmp_path: Path) -> None:
    directory = run(configure(*overrides), tmp_path)
    assert json.loads(directory.metrics.read_text())["test"]["n"] > 0


def test_a_frozen_backbone_keeps_weights_and_statistics(configure: Configure, tmp_path: Path) -> None:
    directory = run(configure("finetune=frozen", "trainer.max_epochs=1"), tmp_path)
    trained = AgeGenderModule.load_from_checkpoint(directory.last).network
    torch.manual_seed(0)
    import lightning

    lightning.seed_everything(0, workers=True, verbose=False)
    fresh = AgeGenderModule(**read_checkpoint(directory.last)["hyper_parameters"]).network
    for (name, one), other in zip(trained.state_dict().items(), fresh.state_dict().values(), strict=True):
        assert torch.equal(one, other) == name.startswith("backbone."), name


def test_a_run_directory_is_complete_and_its_files_agree(configure: Configure, tmp_path: Path) -> None:
    directory = run(configure(), tmp_path / "run")
    folder = directory.path
    assert yaml.safe_load((folder / "config.yaml").read_text())["head"]["sigma"] == 2.0
    versions = json.loads((folder / "versions.json").read_text())
    assert versions["packages"]["torch"] == torch.__version__.split("+")[0]
    assert versions["precision"] == "32-true"
    metrics = json.loads(directory.metrics.read_text())
    import hashlib

    assert metrics["split"]["content_sha256"] == hashlib.sha256((folder / "split.csv").read_bytes()).hexdigest()
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "epoch 2/2" in (folder / "log.txt").read_text()
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert {"train/loss", "val/loss", "train/age_mae", "val/age_mae", "val/gender_accuracy"} <= set(rows[0])
    predictions = pd.read_parquet(folder / "predictions.parquet")
    test = predictions[predictions["split"] == "test"]
    assert len(test) == metrics["test"]["n"]
    assert abs(test["age_pred"] - test["age_low"]).mean() == pytest.approx(metrics["test"]["age_mae"])
    assert ((test["probability_female"] > 0.5) == (test["gender"] == 1)).mean() == pytest.approx(
        metrics["test"]["gender_accuracy"]
    )
    assert metrics["val"]["age_distance"] == pytest.approx(min(float(row["val/age_distance"]) for row in rows), rel=1e-4)
    assert {p.name for p in folder.iterdir()} == {
        "checkpoints", "config.yaml", "csv", "curves.png", "history.csv", "layers.txt", "log.txt", "metrics.json", "model.json",
        "calibration.json", "faces.png", "groups.csv", "predictions.parquet", "predictions.png", "seen.txt", "split.csv",
        "suspicious.csv", "versions.json",
    }  # fmt: skip


def test_the_used_precision_is_recorded(configure: Configure, tmp_path: Path) -> None:
    directory = run(configure("trainer.precision=16-mixed", "trainer.max_epochs=1"), tmp_path)
    assert json.loads((directory.path / "versions.json").read_text())["precision"] == "bf16-mixed"


def test_the_same_seed_gives_the_same_model_and_another_seed_another(configure: Configure, tmp_path: Path) -> None:
    one, same, other = (
        run(configure(f"seed={seed}", f"split.seed={0}"), tmp_path / name)
        for name, seed in (("one", 3), ("same", 3), ("other", 4))
    )
    first, second, third = (weights(read_checkpoint(directory.last)) for directory in (one, same, other))
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["network.heads.age.layer.weight"], third["network.heads.age.layer.weight"])


def test_tested_weights_are_the_averaged_ones(configure: Configure, tmp_path: Path) -> None:
    directory = run(configure("callbacks=ema", "callbacks.ema.decay=0.9"), tmp_path)
    checkpoint = read_checkpoint(directory.best)
    averaged, raw = weights(checkpoint), checkpoint["current_model_state"]
    assert any(not torch.equal(averaged[key], raw[key]) for key in raw)
    tested = AgeGenderModule.load_from_checkpoint(directory.best)
    assert all(torch.equal(value, averaged[name]) for name, value in tested.state_dict().items())
    again = evaluate(directory, directory.read_config(), "test")
    assert again["test"] == json.loads(directory.metrics.read_text())["test"]


def test_without_test_the_metrics_are_of_the_validation_split(configure: Configure, tmp_path: Path) -> None:
    directory = run(configure("test=false"), tmp_path)
    metrics = directory.read_metrics()
    assert metrics["tested"] == "val" and "test" not in metrics
    predictions = directory.read_predictions()
    assert predictions is not None and set(predictions["split"]) == {"val"}
    assert "the test split was left alone" in directory.log.read_text()


def test_a_missing_device_is_a_one_line_error(configure: Configure, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(AgeGenderError, match=r"^trainer: .*$"):
        run(configure("trainer=gpu"), tmp_path)
