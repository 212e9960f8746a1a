"""A trained and tested model, as its run directory tells it: what is not there is None, never guessed."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from agegender.metrics.gender import CLASSES

FACE = ["dataset", "path", "sha256", "age_low", "age_high", "gender"]  # a face, its pixels and its labels


@dataclass(frozen=True)
class Run:
    """One test of one trained model: its own, or a later one by ``agegender.evaluate``.

    Args:
        path: The run directory, or the folder of the evaluation.
        config: Resolved configuration, with the data that were tested.
        metrics: As ``metrics.json`` holds it.
        predictions: Faces with predictions, sorted by data set and path; None if not kept.
        history: Figures of each epoch by name.
        model: ``parameters``, ``trainable``, ``flops`` of an image and ``latency_ms``, as far as recorded or measured.
        trained: The run that made the model, where this is another test of it.
    """

    path: Path
    config: dict[str, Any]
    metrics: dict[str, Any]
    predictions: pd.DataFrame | None
    history: list[dict[str, float]]
    model: dict[str, float]
    trained: "Run | None" = None

    @property
    def origin(self) -> "Run":
        """The run that made the model: what is said of training is said there."""
        return self.trained or self

    @property
    def part(self) -> str:
        """The part of the data that was tested: ``test``, or ``val`` where the split has none."""
        return str(self.metrics["split"]["part"])

    @property
    def sources(self) -> list[str]:
        """Data sets that the tested faces are of."""
        return list(self.config["data"]["sources"])

    @property
    def elsewhere(self) -> bool:
        """Whether it was tested on other data than it was trained on."""
        return self.sources != self.origin.sources

    @property
    def seeds(self) -> tuple[int, int | None]:
        """Of the training and of its split; None where the split needs none."""
        return int(self.config["seed"]), self.origin.split_seed

    @property
    def split_seed(self) -> int | None:
        """Of the split of the tested data."""
        return (self.config.get("split") or {}).get("seed")

    @property
    def edges(self) -> tuple[int, ...]:
        """First year of each age class that the head tells apart; empty: none."""
        return tuple((self.config.get("head") or {}).get("edges") or ())

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

    def figure(self, name: str, part: str | None = None, last: bool = False) -> float | None:
        """A figure of a part by its name in ``agegender.configuration.paper.FIGURES``; None where it was not measured.

        Args:
            name: Such as ``mae``; ``class_accuracy`` is of the head's own classes.
            part: None: the tested one.
            last: Of the last epoch of the training, from its history, not of the epoch tested.
        """
        part = part or self.part
        if name == "latency_ms":
            return self.model.get(name)
        value = None if last else _of_part(self.metrics.get(part) or {}, name)
        if value is not None or self.trained is not None:
            return value
        logged = name if name.startswith(("age_", "gender_")) else f"age_{name}"
        return (self._epoch(last) or {}).get(f"{part}/{logged}")

    def _epoch(self, last: bool) -> dict[str, float] | None:
        """The history's row of the last epoch, or of the one tested."""
        if last:
            return self.history[-1] if self.history else None
        tested = (self.metrics.get("train") or {}).get("epoch")
        return next((row for row in self.history if row["epoch"] + 1 == tested), None)

    def count(self, part: str) -> int:
        """Faces of a part; 0 where the split has no such part."""
        return int((self.metrics.get(part) or {}).get("n", 0))

    @property
    def train_seconds(self) -> float | None:
        """Sum over the epochs, validation included."""
        seconds = [row["seconds"] for row in self.history if "seconds" in row]
        return sum(seconds) if seconds else None


def _of_part(figures: Mapping[str, Any], name: str) -> float | None:
    age, gender = figures.get("age") or {}, figures.get("gender") or {}
    measure, _, label = name.rpartition("_")
    if label in CLASSES:
        value = ((gender.get("by_class") or {}).get(label) or {}).get(measure)
    elif name == "class_accuracy":
        value = age.get(name, (age.get("classes") or {}).get("accuracy"))
    elif name.startswith("gender_"):
        value = gender.get(name.removeprefix("gender_"))
    else:
        value = age.get(name)
    return None if value is None or isinstance(value, Mapping) else float(value)
