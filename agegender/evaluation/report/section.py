"""Sections of a report, and what they are made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from agegender.evaluation.report.chart import Chart
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
    """

    name: str
    metrics: Mapping[str, Any]
    faces: pd.DataFrame
    licenses: Mapping[str, str]
    trained_on: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, Any] = field(default_factory=dict)

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
    """

    name: str
    title: str
    text: Sequence[str] = ()
    charts: Sequence[Chart] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = field(default_factory=list)
