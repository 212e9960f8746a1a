"""A test as loggers get it: numbers, tables, plots, some predictions, and Grad-CAM maps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pandas as pd

from agegender.evaluation.explained_faces import ExplainedFaces
from agegender.evaluation.report.chart import Chart
from agegender.evaluation.report.section import Section
from agegender.evaluation.report.table import Table

COLUMNS = ("dataset", "path", "age_low", "age_high", "age_pred", "gender", "probability_female")


@dataclass(frozen=True)
class LoggedTest:
    """A test.

    Args:
        metrics: As in ``metrics.json``.
        faces: The tested split (``tested`` in the metrics); a face table with predictions.
        roots: Folder of each dataset.
        sections: Of the report.
        explained: Some faces with Grad-CAM maps; None if there are none.
    """

    metrics: Mapping[str, Any]
    faces: pd.DataFrame
    roots: Mapping[str, Path]
    sections: Sequence[Section] = ()
    explained: ExplainedFaces | None = None

    @property
    def split(self) -> str:
        """The tested split."""
        return str(self.metrics["tested"])

    @property
    def scalars(self) -> dict[str, float]:
        """Every number of the tested split: ``test/age_mae``, ``test/gender_accuracy``, ..., and the gaps between groups."""
        values = self.metrics[self.split]
        found = {key: value for key, value in values.items() if isinstance(value, int | float)}
        for kind, metrics in ((values.get("fairness") or {}).get("kinds") or {}).items():
            found |= {f"gap/{kind}/{key}": gap["gap"] for key, gap in metrics.items() if gap["gap"] is not None}
        return {f"{self.split}/{key}": float(value) for key, value in found.items()}

    @property
    def charts(self) -> list[Chart]:
        """The plots of the report."""
        return list(chain.from_iterable(section.charts for section in self.sections))

    @property
    def tables(self) -> list[Table]:
        """The tables of the report."""
        return list(chain.from_iterable(section.tables for section in self.sections))

    def sample(self, number: int) -> pd.DataFrame:
        """Some faces, chosen at random whatever the predictions."""
        return self.faces.sample(min(number, len(self.faces)), random_state=0).sort_index()


@runtime_checkable
class LogsTest(Protocol):
    """A logger with this method gets the test; others, such as Lightning's, get the curves of the training alone."""

    def log_test(self, test: LoggedTest) -> None:
        """Shows a test."""
