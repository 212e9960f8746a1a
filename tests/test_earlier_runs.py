"""A run directory in the format of an earlier version is resumed, evaluated and compared.

That version had other class paths, fewer callbacks, other names of metrics in a ``paper`` block, and schema 1 of
``metrics.json``. The earlier directory is made from a new run; where the format of checkpoints must not change, it is written
down here.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from agegender import Predictor
from agegender.compare import main as compare
from agegender.configuration.command import compose
from agegender.configuration.evaluation import evaluated
from agegender.configuration.resume import continued
from agegender.configuration.schema import validate
from agegender.evaluate import evaluate
from agegender.export import main as export
from agegender.models.checkpoint import load_network, read_checkpoint
from agegender.runs.run_directory import RunDirectory
from agegender.train import train

EARLIER = {
    "agegender.sources.toyfaces.source.ToyFaces": "agegender.sources.toyfaces.ToyFaces",
    "agegender.training.finetuning.stages.TwoStage": "agegender.training.finetune.TwoStage",
    "agegender.training.loggers.wandb.Wandb": "agegender.training.wandb_logging.Wandb",
}
SETTINGS = [
    "data.sources.toyfaces.n=60", "image_size=16", "backbone.widths=[4,8]", "loader.batch_size=8", "trainer.max_epochs=2",
    "split.fractions=[0.6,0.2,0.2]", "head=age_bins", "head.edges=[0,26,51,76]", "head.readout=bin", "finetune=two_stage",
    "finetune.two_stage.epochs=1", "finetune.two_stage.layers=1", "logger=wandb", "logger.wandb.mode=disabled",
]  # fmt: skip
PAPER = {"title": "A paper", "figures": {"test": {"mae": 3.45, "class_accuracy": 0.94, "recall_female": 0.9}}}
HYPER_PARAMETERS = {"network", "tasks", "balance", "optimizer", "schedule", "monitor", "seed", "about"}
CALLBACKS = {"History", "EpochCheckpoint", "EarlyStopping{'monitor': 'val/age_distance', 'mode': 'min'}"}


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("earlier")
    run = RunDirectory(folder / "run")
    train(compose([f"data.root={folder / 'faces'}", *SETTINGS]), run)
    for checkpoint in (run.last, run.best):
        remove_later_arguments(checkpoint)
        assert_checkpoint_format(checkpoint)
    predictions = run.read_predictions()
    assert predictions is not None
    run.metrics.write_text(json.dumps(earlier_metrics(predictions, run.read_metrics())))
    write_earlier_config(run.config)
    return run.path


@pytest.fixture
def run(earlier: Path, tmp_path: Path) -> RunDirectory:
    return RunDirectory(shutil.copytree(earlier, tmp_path / "run"))


def write_earlier_config(file: Path) -> None:
    text = file.read_text()
    for today, before in EARLIER.items():
        assert today in text
        text = text.replace(today, before)
    config = yaml.safe_load(text)
    del config["callbacks"]["progress"]
    del config["mixup"]
    for key in ("near_copies", "damaged", "fit", "crop_scale", "outside"):
        del config["data"][key]
    file.write_text(yaml.safe_dump(config | {"paper": PAPER}, sort_keys=False))


def remove_later_arguments(file: Path) -> None:
    checkpoint = read_checkpoint(file)
    assert checkpoint["hyper_parameters"].pop("mixup") is None
    torch.save(checkpoint, file)


def assert_checkpoint_format(file: Path) -> None:
    """The earlier format is today's, as long as this holds; a checkpoint of another format must be converted when read."""
    checkpoint = read_checkpoint(file)
    assert set(checkpoint["hyper_parameters"]) == HYPER_PARAMETERS
    assert set(checkpoint["callbacks"]) == CALLBACKS
    assert {name.split(".")[0] for name in checkpoint["state_dict"]} == {"network"}
    assert {"network.backbone.blocks.0.0.weight", "network.heads.age.layer.weight"} <= set(checkpoint["state_dict"])
    assert set(checkpoint["callbacks"]["EpochCheckpoint"]) == {"best_score", "best_epoch"}
    assert {"epoch", "steps", "seconds", "lr", "val/age_mae", "val/age_cs5"} <= set(
        checkpoint["callbacks"]["History"]["rows"][0]
    )


def earlier_metrics(predictions: pd.DataFrame, today: dict[str, Any]) -> dict[str, Any]:
    """``metrics.json`` of schema 1, computed from the predictions."""
    return {
        "schema": 1,
        "split": {**today["split"], "part": "test", "n": int((predictions["split"] == "test").sum())},
        **{split: earlier_split(predictions[predictions["split"] == split]) for split in ("val", "test")},
        "baseline": {"age": {"guess": 40.0, "mae": 20.5, "distance": 20.5}, "gender": {"guess": 1, "accuracy": 0.5}},
        "train": {"n": 36, "epoch": 1, "age": {"mae": 19.5, "rmse": 22.0, "cs5": 0.1}, "gender": {"accuracy": 0.5}},
        "seed": 0,
        "age_range": [0, 116],
    }


def earlier_split(faces: pd.DataFrame) -> dict[str, Any]:
    error = (faces["age_pred"] - faces["age_low"]).to_numpy()
    female, guess = faces["gender"].to_numpy(dtype=int) == 1, faces["probability_female"].to_numpy() > 0.5
    confusion = [[int(((female == row) & (guess == column)).sum()) for column in (0, 1)] for row in (0, 1)]
    n, accuracy = len(faces), float((female == guess).mean())
    return {
        "n": n,
        "age": {
            "n": n, "n_exact": n, "mae": float(np.abs(error).mean()), "mae_ci95": [1.0, 99.0],
            "rmse": float(np.sqrt((error**2).mean())), "cs5": float((np.abs(error) <= 5).mean()),
            "distance": float(np.abs(error).mean()), "by_decade": {"0-9": {"n": 1, "mae": 1.0, "bias": 1.0}},
        },
        "gender": {
            "n": n, "accuracy": accuracy, "accuracy_ci95": [0.0, 1.0], "precision": None, "recall": 0.5, "f1": None,
            "sensitivity": 0.5, "specificity": 0.5,
            "by_class": {name: {"n": 1, "precision": None, "recall": 0.5, "f1": None} for name in ("male", "female")},
            "confusion": confusion,
        },
        "by_group": {"gender": {"male": {"n": n, "n_age": n, "n_exact": n, "mae": 1.0, "distance": 1.0, "range_accuracy": 0.5,
                                         "gender_accuracy": accuracy}}, "race": {}, "race_gender": {}},
    }  # fmt: skip


def test_it_is_resumed_and_keeps_what_it_learned(run: RunDirectory) -> None:
    before, history = read_checkpoint(run.last)["state_dict"], run.read_history()
    config = continued(run.read_config(), ["trainer.max_epochs=3"], run.path)
    validate(config)
    train(config, run, resuming=True)
    after = read_checkpoint(run.last)
    assert after["epoch"] == 2
    assert run.read_history()[:2] == history and len(run.read_history()) == 3
    frozen, trained = "network.backbone.blocks.0.0.weight", "network.heads.age.layer.weight"
    assert torch.equal(before[frozen], after["state_dict"][frozen])  # only the last layer of the backbone trains
    assert not torch.equal(before[trained], after["state_dict"][trained])
    assert run.read_config()["trainer"]["max_epochs"] == 3
    assert "callbacks" in run.read_config() and "progress" not in run.read_config()["callbacks"]


def test_a_complete_one_is_left_alone(run: RunDirectory) -> None:
    before = {file: file.read_bytes() for file in run.path.rglob("*") if file.is_file() and file != run.log}
    train(continued(run.read_config(), [], run.path), run, resuming=True)
    assert before == {file: file.read_bytes() for file in before}


def test_its_evaluation_gives_the_recorded_metrics_again(run: RunDirectory) -> None:
    recorded = run.read_metrics()["test"]
    assert recorded["age_cs5"] == json.loads(run.metrics.read_text())["test"]["age"]["cs5"]
    again = evaluate(run, run.read_config(), "test")["test"]
    for key in ("n", "age_mae", "age_rmse", "age_cs5", "age_distance", "gender_accuracy"):
        assert again[key] == pytest.approx(recorded[key], rel=1e-4), key
    assert again["confusions"]["gender"] == recorded["confusions"]["gender"]


def test_it_is_compared_with_its_own_evaluation_and_its_paper(run: RunDirectory, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(run, run.read_config(), "val")
    metrics = json.loads(run.metrics.read_text())
    compare([str(run.path), str(run.path / "evaluation")])
    text = capsys.readouterr().out
    assert "Left out" not in text
    for split in ("test", "val"):
        assert f"{metrics[split]['n']} {split} faces of toyfaces" in text
        assert f"{metrics[split]['age']['mae']:.2f}" in text
    assert "A paper" in text and "3.45" in text and "94" in text


def test_it_stretches_images_as_it_did(run: RunDirectory, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for checkpoint in (run.best, run.last):
        values = read_checkpoint(checkpoint)
        del values["hyper_parameters"]["about"]["crops"]
        torch.save(values, checkpoint)
    again = evaluate(run, run.read_config(), "test")
    assert again["images"]["toyfaces"]["fit"] == "stretch" and again["test"]["n"] == run.read_metrics()["test"]["n"]
    for number in range(4):
        face = np.random.default_rng(number).integers(0, 256, (40, 30, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f"30_1_0_{20190101000000000 + number}.jpg.chip.jpg"), face)
    other = compose([f"checkpoint={run.path}", "data=utkface", f"data.root={tmp_path}", "split=all_test"], "evaluate")
    metrics = evaluate(run, evaluated(run.read_config(), other), "test", others=True)
    assert metrics["images"]["utkface"] == {
        "n": 4, "n_not_square": 4, "fit": "stretch", "crop_scale": 1.0, "outside": "reflect"
    }  # fmt: skip
    assert "4 of 4 images of utkface are not square and are stretched" in caplog.text


def test_its_network_is_loaded(run: RunDirectory) -> None:
    weights = load_network(run.best).network.state_dict()
    saved = read_checkpoint(run.best)["state_dict"]
    assert all(torch.equal(weights[name], saved[f"network.{name}"]) for name in weights)


def test_it_is_exported_with_a_model_card_of_its_test(run: RunDirectory, tmp_path: Path) -> None:
    export([str(run.path), str(tmp_path / "bundle")])
    recorded = json.loads(run.metrics.read_text())["test"]["age"]["mae"]
    assert f"{recorded:.2f}" in (tmp_path / "bundle" / "modelcard.md").read_text()
    face = np.zeros((40, 40, 3), np.uint8)
    ages = [Predictor.load(model).faces([face])[0].age for model in (run.path, tmp_path / "bundle")]
    assert ages[0] == pytest.approx(ages[1], abs=1e-3)
