"""Sections of a report, and what they are made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from agegender.evaluation.explained_faces import ExplainedFaces
from agegender.evaluation.report.chart import Chart
from agegender.evaluation.report.gallery import Gallery
from agegender.evaluation.report.table import Table


@dataclass(frozen=True)
class Evidence:
    """One test of one model.

    Args:
        name: Of the model.
        metrics: Content of ``metrics.json``.
        faces: The tested split; a face table with ``age_pred`` and ``probability_female`` for the tasks of the model.
        licenses: Licence of each tested dataset.
        trained_on: Licence of each dataset that the model was trained on; empty if unknown.
        config: The configuration of the run that trained the model; empty if unknown.
        model: ``parameters``, ``trainable`` and ``flops``, as far as known.
        versions: Content of ``versions.json``; empty if unknown.
        roots: Folder of each tested dataset, if the report may show faces.
        explained: Some faces with Grad-CAM maps.
    """

    name: str
    metrics: Mapping[str, Any]
    faces: pd.DataFrame
    licenses: Mapping[str, str]
    trained_on: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, Any] = field(default_factory=dict)
    roots: Mapping[str, Path] | None = None
    explained: ExplainedFaces | None = None

    @property
    def tested(self) -> str:
        """The tested split."""
        return str(self.metrics["tested"])

    @property
    def values(self) -> Mapping[str, Any]:
        """The metrics of the tested split."""
        values: Mapping[str, Any] = self.metrics[self.tested]
        return values

    @property
    def tasks(self) -> list[str]:
        """What the model estimates, of ``age`` and ``gender``."""
        return [task for task, column in (("age", "age_pred"), ("gender", "probability_female")) if column in self.faces]


@dataclass
class Section:
    """A section.

    Args:
        name: Of its element in the page, for links.
        title: Its heading.
        text: Paragraphs before everything else.
        charts: Its plots.
        tables: Its tables.
        notes: Paragraphs after everything else.
        galleries: Its pictures, before the notes.
    """

    name: str
    title: str
    text: Sequence[str] = ()
    charts: Sequence[Chart] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    galleries: Sequence[Gallery] = ()
