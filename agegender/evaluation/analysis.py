"""Everything that is measured of one table of predictions: metrics, groups, age gate, uncertainty."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from agegender.evaluation.age_gate import age_gate
from agegender.evaluation.fairness import fairness, groups_table, measured_groups
from agegender.evaluation.groupings import by_decade
from agegender.evaluation.measured_faces import MeasuredFaces
from agegender.evaluation.options import Options
from agegender.evaluation.results import by_dataset, metrics_of, with_intervals
from agegender.evaluation.uncertainty import Uncertainty
from agegender.metrics.registry import METRICS
from agegender.metrics.resampling import MetricTable


@dataclass(frozen=True)
class Analysis:
    """What was measured of the tested split.

    Attributes:
        metrics: Its section of ``metrics.json``.
        groups: The content of ``groups.csv``.
        calibration: The content of ``calibration.json``.
    """

    metrics: dict[str, Any]
    groups: pd.DataFrame
    calibration: dict[str, Any]


def analyse(
    faces: pd.DataFrame,
    classes: Sequence[float] = (),
    seed: int = 0,
    options: Options | None = None,
    age_range: Sequence[float] = (0, 116),
    selected: bool = False,
    split: str = "test",
) -> Analysis:
    """Measures a table of predictions; the same table gives the same numbers.

    Args:
        faces: A face table with, as far as they were predicted, ``age_pred`` in years, ``probability_female`` in 0..1, and the
            columns of ``agegender.metrics.distributions.summary_columns``.
        classes: First year of each age class of the head; empty if it has none.
        seed: Of the bootstrap and of the halves of the cross-fitting.
        options: None for the defaults.
        age_range: First and last age in years.
        selected: The model was selected on these faces, so nothing is calibrated on them.
        split: Name of the tested split.

    Raises:
        AgeGenderError: A prediction for a labelled face is not finite or not in 0..1.
    """
    options = options or Options()
    tested = MeasuredFaces.of(faces, classes, seed, options.resamples)
    table = MetricTable(tested.predictions, METRICS)
    metrics = metrics_of(tested, table)
    measured = measured_groups(tested, table, tested.groupings, options.minimum)
    groups = groups_table(measured, table.metrics)
    decades = measured_groups(tested, table, [by_decade(tested.predictions)], options.minimum)
    with_intervals(metrics["by_group"], {**measured, **decades}, table)
    low, high = age_range
    uncertainty = Uncertainty(tested, options, (low, high), seed, selected)
    metrics |= {
        "fairness": fairness(groups, options.minimum),
        "age_gate": age_gate(tested, options),
        "uncertainty": uncertainty.metrics(),
        **by_dataset(tested, seed),
    }
    return Analysis(metrics, groups, uncertainty.calibration(split))
