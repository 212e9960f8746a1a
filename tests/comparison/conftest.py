"""Run directories like those of a training, with chosen errors."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from agegender.evaluation.results import split_metrics
from agegender.metrics.earlier_schemas import SCHEMA


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """Writes a run whose test errors are given: ``write_run("a", [1.0, -2.0], seed=1, head={"_target_": "heads.DLDL"})``."""

    def write(
        place: str,
        errors: Sequence[float],
        /,
        right: Sequence[bool] | None = None,
        faces: str = "face",
        predictions: bool = True,
        width: float = 0.0,
        age: bool = True,
        groups: Sequence[str] | None = None,
        **settings: Any,
    ) -> Path:
        folder = tmp_path / place
        folder.mkdir(parents=True)
        count = len(errors)
        low = 20.0 + np.arange(count)
        female = np.arange(count) % 2
        frame = pd.DataFrame({
            "path": [f"{faces}{i:04d}.jpg" for i in range(count)], "dataset": "utkface", "age_low": low,
            "age_high": low + width, "gender": pd.array(female, dtype="Int8"), "race": pd.array([None] * count, dtype="string"),
            "group": "" if groups is None else groups, "split": "test", "sha256": [f"{i:064x}" for i in range(count)],
            "age_pred": (low + np.asarray(errors)).astype(np.float32),
        })  # fmt: skip
        if right is not None:
            frame["probability_female"] = np.where(np.asarray(right), female, 1 - female).astype(np.float32)
        if not age:
            frame = frame.drop(columns="age_pred")
        classes = (settings.get("head") or {}).get("edges", [])
        metrics: dict[str, Any] = {
            "schema": SCHEMA,
            "tested": "test",
            "split": {"name": "random", "sha256": f"{faces:0<64}"},
            "age_classes": classes,
            "test": split_metrics(frame, 0, classes),
            "val": {"n": 10, "age_mae": 5.0, "gender_accuracy": 0.8},
            "train": {"n": 100, "age_mae": 3.0, "gender_accuracy": 0.9},
            "baseline": {"age_mae": 15.0, "age_distance": 15.0, "gender_accuracy": 0.5},
        }
        config = {
            "seed": 0, "age_range": [0, 116], "image_size": 64,
            "data": {"sources": {"utkface": {"_target_": "agegender.sources.utkface.UTKFace", "root": "/faces"}}},
            "head": {"_target_": "agegender.heads.dldl.DLDL", "sigma": 2.0}, "loader": {"batch_size": 32, "num_workers": 1},
            "trainer": {"max_epochs": 5, "devices": 1},
        }  # fmt: skip
        if not age:
            for name in ("val", "train", "baseline"):
                metrics[name].pop("age_mae")
        (folder / "config.yaml").write_text(yaml.safe_dump(config | settings))
        (folder / "metrics.json").write_text(json.dumps(metrics))
        (folder / "history.csv").write_text("epoch,seconds,val/age_mae,train/age_mae\n0,60,6.0,8.0\n1,61.5,5.0,3.0\n")
        if predictions:
            frame.sample(frac=1, random_state=0).to_parquet(folder / "predictions.parquet")
        return folder

    return write
