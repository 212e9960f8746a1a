"""One test of a trained model, read from its run directory."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from agegender.runs.chain import Stage

FACE = ["dataset", "path", "sha256", "age_low", "age_high", "gender"]  # identify a face, its pixels and its labels
FOLDS = "agegender.data.folds.Folds"
NUMBERED = (FOLDS, "agegender.data.benchmark.BenchmarkSplit")  # splits of which ``number`` chooses the test faces


@dataclass(frozen=True)
class Run:
    """One test of one trained model: the test at the end of its training, or a later one by ``agegender.evaluate``.

    Args:
        path: The run directory, or the folder of the evaluation.
        config: Resolved configuration, with the data that were tested.
        metrics: Content of ``metrics.json``.
        predictions: Faces with predictions, sorted by data set and path; None if not kept.
        history: Metrics of each epoch by name.
        model: ``parameters``, ``trainable``, ``flops`` of an image and ``latency_ms``, as far as recorded or measured.
        trained: The run that trained the model, if this is a later test of it.
        chain: The earlier trainings that the run starts from, the oldest first.
    """

    path: Path
    config: dict[str, Any]
    metrics: dict[str, Any]
    predictions: pd.DataFrame | None
    history: list[dict[str, float]]
    model: dict[str, float]
    trained: "Run | None" = None
    chain: tuple[Stage, ...] = ()

    @property
    def origin(self) -> "Run":
        """The run that trained the model; itself, if this is its own test."""
        return self.trained or self

    @property
    def tested(self) -> str:
        """The tested split: ``test``, or ``val`` if there is no test split."""
        return str(self.metrics["tested"])

    @property
    def sources(self) -> list[str]:
        """Data sets that the tested faces are from."""
        return list(self.config["data"]["sources"])

    @property
    def is_audit(self) -> bool:
        """Whether the estimates came from a file, so that nothing is known about the model and its training."""
        return "predictions" in self.config

    @property
    def trained_on(self) -> str:
        """The data sets that the model was trained on, those of earlier trainings first: ``fairface then utkface``."""
        if self.is_audit:
            return "unknown"
        return " then ".join(map("+".join, [*(stage.data for stage in self.origin.chain), self.origin.sources]))

    @property
    def elsewhere(self) -> bool:
        """Whether it was tested on other data sets than it was trained on."""
        return self.sources != self.origin.sources

    @property
    def seed(self) -> int:
        """Seed of the training."""
        return int(self.config["seed"])

    @property
    def draw(self) -> tuple[int, tuple[int | None, int | None]]:
        """Seed of the training, and seed and fold of its split."""
        return self.seed, self.origin.split_draw

    @property
    def split_draw(self) -> tuple[int | None, int | None]:
        """Seed and number of the fold of the split of the tested data; None for a split without."""
        split = self.config.get("split") or {}
        return split.get("seed"), self.fold

    @property
    def fold(self) -> int | None:
        """Number of the fold that is the test split, or of the split of a benchmark; None without folds."""
        return self._folds.get("number")

    @property
    def folds(self) -> int | None:
        """Number of folds of the split of the tested data; None without folds, or if a benchmark file has it."""
        return self._folds.get("count")

    @property
    def _folds(self) -> dict[str, int]:
        split = self.config.get("split") or {}
        return split if split.get("_target_") in NUMBERED else {}

    @property
    def age_classes(self) -> tuple[int, ...]:
        """First year of each age class of the head; empty if it has none."""
        return tuple(self.metrics["age_classes"])

    def faces(self, split: str | None = None) -> pd.DataFrame | None:
        """Faces and predictions of a split, of the tested one by default; None if predictions were not kept."""
        if self.predictions is None:
            return None
        return self.predictions[self.predictions["split"] == (split or self.tested)].reset_index(drop=True)

    @cached_property
    def test_set(self) -> str:
        """The tested split with a checksum of its faces and labels, or of the whole split if predictions were not kept."""
        faces = self.faces()
        if faces is None:
            return f"{self.tested} faces of split {self.metrics['split']['sha256']}"
        text = faces.reindex(columns=FACE).to_csv(index=False, float_format="%g", lineterminator="\n")
        return f"{self.tested} faces {hashlib.sha256(text.encode()).hexdigest()}"

    def metric(self, key: str, split: str | None = None, last: bool = False) -> float | None:
        """A metric by its key in the registry; None if it was not measured.

        Args:
            key: Such as ``age_mae``. ``age_class_accuracy`` is of the head's own classes.
            split: ``train``, ``val`` or ``test``; None for the tested one.
            last: Of the last epoch, from the history, instead of the tested epoch.
        """
        split = split or self.tested
        if key in self.model:
            return self.model[key]
        value = None if last else (self.metrics.get(split) or {}).get(key)
        if value is not None or self.trained is not None:
            return None if value is None else float(value)
        return (self._epoch(last) or {}).get(f"{split}/{key}")

    def _epoch(self, last: bool) -> dict[str, float] | None:
        """The row of the last epoch, or of the tested one."""
        if last:
            return self.history[-1] if self.history else None
        tested = (self.metrics.get("train") or {}).get("epoch")
        return next((row for row in self.history if row["epoch"] + 1 == tested), None)

    def count(self, split: str) -> int:
        """Number of faces of a split; 0 if there is no such split."""
        return int((self.metrics.get(split) or {}).get("n", 0))

    @property
    def train_seconds(self) -> float | None:
        """Duration of all epochs, with their validation; None without a history."""
        seconds = [row["seconds"] for row in self.history if "seconds" in row]
        return sum(seconds) if seconds else None
