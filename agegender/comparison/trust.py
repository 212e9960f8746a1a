"""What a comparison shows of fairness and uncertainty: the gap between groups of people, and the width of age intervals."""

from agegender.metrics.registry import BY_KEY
from agegender.runs.finished_run import Run

KINDS = ("race_gender", "gender")  # the first one with groups that are large enough to be ranked
METRICS = tuple(BY_KEY[key] for key in ("age_mae", "age_distance", "gender_accuracy"))
LEVEL = "90"  # percent


def group_gap(run: Run, key: str) -> float | None:
    """How much worse a metric is for the worst group of race and gender than for the best; None if it was not measured.

    Args:
        run: Of an earlier version, without groups, it has no gap.
        key: Of ``METRICS``.
    """
    kinds = ((run.metrics.get(run.tested) or {}).get("fairness") or {}).get("kinds") or {}
    return next((kinds[kind][key]["gap"] for kind in KINDS if key in (kinds.get(kind) or {})), None)


def interval_width(run: Run) -> float | None:
    """Mean width in years of the 90% age intervals, of the method with the narrower ones; None if it was not measured."""
    uncertainty = (run.metrics.get(run.tested) or {}).get("uncertainty") or {}
    level = ((uncertainty.get("age") or {}).get("levels") or {}).get(LEVEL) or {}
    widths = [level[method]["width"] for method in ("conformal", "quantile") if level.get(method)]
    return min(widths, default=None)
