"""Metrics of groups of people: the table ``groups.csv``, and the best and the worst group by each metric."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from agegender.evaluation.groupings import Grouping
from agegender.evaluation.measured_faces import MeasuredFaces
from agegender.evaluation.numbers import interval, plain
from agegender.metrics.chance import holm
from agegender.metrics.disparity import Disparities, disparities
from agegender.metrics.metric import Metric
from agegender.metrics.resampling import MetricTable

LEVEL = 0.05  # of the tests
COLUMNS = (
    "kind", "group", "metric", "n", "value", "ci_low", "ci_high", "ranked", "best", "worst", "gap", "gap_ci_low", "gap_ci_high",
    "p", "p_holm",
)  # fmt: skip


def measured_groups(
    tested: MeasuredFaces, table: MetricTable, groupings: Sequence[Grouping], minimum: int
) -> dict[str, tuple[Grouping, Disparities]]:
    """Measures each grouping that has groups, by kind.

    Args:
        tested: The faces.
        table: Metrics of the same faces.
        groupings: How the faces are divided.
        minimum: Faces with a label that a group needs to be ranked.
    """
    return {one.kind: (one, disparities(table, one.cells, tested.draws, minimum)) for one in groupings if one.cells}


def groups_table(measured: Mapping[str, tuple[Grouping, Disparities]], metrics: Sequence[Metric]) -> pd.DataFrame:
    """A row for each group and metric.

    ``p`` is of the test that a group has the same metric as all other faces of its kind; ``p_holm`` is corrected for the tests
    of all groups of all kinds by the same metric (Holm, 1979).

    Args:
        measured: What ``measured_groups`` returned.
        metrics: The M metrics.
    """
    rows = []
    for kind, (grouping, found) in measured.items():
        count, m = len(grouping.names), len(metrics)
        columns: dict[str, Any] = {
            "kind": np.full(count * m, kind, dtype=object),
            "group": np.repeat(np.array(grouping.names, dtype=object), m),
            "metric": np.tile(np.array([metric.key for metric in metrics], dtype=object), count),
            "n": found.numbers.ravel(),
            "value": found.values.ravel(),
            "ranked": found.ranked.ravel(),
            "best": (np.arange(count)[:, None] == found.best).ravel(),
            "worst": (np.arange(count)[:, None] == found.worst).ravel(),
            "gap": found.gaps.ravel(),
            "p": found.p_values.ravel(),
        }
        for name, ends in (("ci", found.intervals), ("gap_ci", found.gap_intervals)):
            columns |= {f"{name}_low": ends[..., 0].ravel(), f"{name}_high": ends[..., 1].ravel()}
        rows.append(pd.DataFrame(columns))
    frame = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=list(COLUMNS))
    frame["p_holm"] = np.nan
    for _, own in frame[frame["p"].notna()].groupby("metric", sort=False):
        frame.loc[own.index, "p_holm"] = holm(own["p"].tolist())
    return frame[list(COLUMNS)]


def fairness(groups: pd.DataFrame, minimum: int) -> dict[str, Any]:
    """The section ``fairness`` of ``metrics.json``: the best and the worst group by each kind and metric.

    Args:
        groups: What ``groups_table`` returned.
        minimum: Faces with a label that a group needs to be ranked.
    """
    kinds: dict[str, dict[str, Any]] = {}
    for (kind, metric), own in groups[groups["ranked"].astype(bool)].groupby(["kind", "metric"], sort=False):
        best, worst = own[own["best"]].iloc[0], own[own["worst"]].iloc[0]
        kinds.setdefault(str(kind), {})[str(metric)] = {
            "n_ranked": len(own),
            "best": best["group"],
            "best_value": plain(best["value"]),
            "worst": worst["group"],
            "worst_value": plain(worst["value"]),
            "gap": plain(worst["gap"]),
            "gap_ci95": interval([worst["gap_ci_low"], worst["gap_ci_high"]]),
            "p_holm": plain(worst["p_holm"]),
        }
    return {"minimum": minimum, "level": LEVEL, "kinds": kinds}
