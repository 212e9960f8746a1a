"""Reads finished run directories, also those of older versions: what is not there is None, never guessed."""

import csv
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from agegender.errors import AgeGenderError

FACE = ["dataset", "path", "sha256", "age_low", "age_high", "gender"]  # a face, its pixels and its labels


@dataclass(frozen=True)
class Run:
    """One trained and tested model.

    Args:
        path: Its directory.
        config: Resolved configuration.
        metrics: As ``metrics.json`` holds it.
        predictions: Faces with predictions of the validation and test parts, sorted by data set and path; None if not kept.
        history: Figures of each epoch by name.
        model: ``parameters``, ``trainable``, ``flops`` of an image and ``latency_ms``, as far as recorded or measured.
    """

    path: Path
    config: dict[str, Any]
    metrics: dict[str, Any]
    predictions: pd.DataFrame | None
    history: list[dict[str, float]]
    model: dict[str, float]

    @property
    def part(self) -> str:
        """The part of the data that was tested: ``test``, or ``val`` where the split has none."""
        return str(self.metrics["split"]["part"])

    @property
    def seed(self) -> int:
        """Of the run."""
        return int(self.config["seed"])

    def faces(self, part: str | None = None) -> pd.DataFrame | None:
        """Faces and predictions of the tested part, or of another one."""
        if self.predictions is None:
            return None
        return self.predictions[self.predictions["split"] == (part or self.part)].reset_index(drop=True)

    @cached_property
    def test_set(self) -> str:
        """Checksum of the tested faces with their labels; without predictions that of the split. With the part's name."""
        faces = self.faces()
        if faces is None:
            return f"{self.part} part of split {self.metrics['split']['sha256']}"
        text = faces.reindex(columns=FACE).to_csv(index=False, float_format="%g", lineterminator="\n")
        return f"{self.part} faces {hashlib.sha256(text.encode()).hexdigest()}"

    def figure(self, name: str, part: str | None = None) -> float | None:
        """A figure of a part by its name in tables, such as ``mae`` or ``gender_accuracy``; None where it was not measured."""
        figures = self.metrics.get(part or self.part) or {}
        task, key = ("gender", name.removeprefix("gender_")) if name.startswith("gender_") else ("age", name)
        value = (figures.get(task) or {}).get(key)
        return None if value is None or isinstance(value, Mapping) else float(value)

    def count(self, part: str) -> int:
        """Faces of a part; 0 where the split has no such part."""
        return int((self.metrics.get(part) or {}).get("n", 0))

    @property
    def train_seconds(self) -> float | None:
        """Sum over the epochs, validation included."""
        seconds = [row["seconds"] for row in self.history if "seconds" in row]
        return sum(seconds) if seconds else None


def find(paths: Iterable[str | Path]) -> list[Path]:
    """Run directories among the given folders and below them, each once, in order.

    Raises:
        AgeGenderError: A path is neither a run directory nor a folder that holds one.
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        below = list(_below(path))
        if not below:
            raise AgeGenderError(f"{path}: neither a run directory (a folder with a config.yaml) nor a folder that holds any")
        found |= dict.fromkeys(below)
    return list(found)


def _below(path: Path) -> Iterable[Path]:
    for folder, folders, files in os.walk(path):
        folders.sort()
        if "config.yaml" in files:
            folders.clear()  # what lies inside a run belongs to it
            yield Path(folder).resolve()


def read(path: Path) -> Run:
    """Reads a run directory.

    Raises:
        AgeGenderError: It has no figures, its files cannot be read, or they do not belong together.
    """
    if not (path / "metrics.json").is_file():
        raise AgeGenderError(f"{path}: not tested, or not yet: it has no metrics.json")
    try:
        config = yaml.safe_load((path / "config.yaml").read_text(encoding="utf-8"))
        metrics = json.loads((path / "metrics.json").read_text(encoding="utf-8"))
        model = json.loads(_text(path / "model.json") or "{}")
        history = [_numbers(row) for row in csv.DictReader((_text(path / "history.csv") or "").splitlines())]
        parquet = path / "predictions.parquet"
        predictions = pd.read_parquet(parquet) if parquet.is_file() else None
        if predictions is not None:
            predictions = predictions.sort_values(["dataset", "path"], ignore_index=True)
        run = Run(path, config, metrics, predictions, history, model)
        _check(run)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise AgeGenderError(f"{path}: cannot be read as a run directory: {type(error).__name__} {error}") from error
    return run


def _check(run: Run) -> None:
    """Refuses predictions that are not those the figures were computed from."""
    count, faces = run.count(run.part), run.faces()
    run.seed  # noqa: B018 (raises where a configuration has none)
    if faces is None:
        return
    if len(faces) != count:
        raise AgeGenderError(f"{run.path}: predictions.parquet holds {len(faces)} {run.part} faces, metrics.json {count}")
    recorded, errors = run.figure("mae"), age_errors(faces)
    if recorded is not None and not np.isclose(np.nanmean(errors), recorded, rtol=1e-4):
        raise AgeGenderError(
            f"{run.path}: predictions.parquet has MAE {np.nanmean(errors):.4f}, metrics.json {recorded:.4f}: "
            "they are not of the same test"
        )


def age_errors(faces: pd.DataFrame) -> np.ndarray:
    """Absolute errors in years of exact ages, NaN for other faces, [N]."""
    error = (faces["age_pred"] - faces["age_low"]).abs()
    return error.where(faces["age_low"] == faces["age_high"]).to_numpy(dtype=np.float64)


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _numbers(row: Mapping[str, str | None]) -> dict[str, float]:
    return {name: float(value) for name, value in row.items() if value}
