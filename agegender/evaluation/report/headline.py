"""The few numbers at the top of a report."""

from collections.abc import Iterator
from dataclasses import dataclass

from agegender.evaluation.report.metric_table import interval_cell, percent, text
from agegender.evaluation.report.section import Evidence
from agegender.metrics.registry import BY_KEY

TITLES = {
    "age_mae": "mean error of age (MAE)",
    "age_distance": "mean distance from the label",
    "gender_accuracy": "gender as labelled",
    "age_minors_passed": "under 18, but estimated 18 or older",
}


@dataclass(frozen=True)
class Tile:
    """A number, what it is, and a line below it with its uncertainty."""

    title: str
    value: str
    below: str


def headline(evidence: Evidence) -> list[Tile]:
    """The main metric of each task, minors who pass as adults, the gap between groups, the width of an age interval."""
    return [*_metrics(evidence), *_gap(evidence), *_width(evidence)]


def _metrics(evidence: Evidence) -> Iterator[Tile]:
    values = evidence.values
    keys = ["age_distance" if values.get("age_mae") is None else "age_mae", "gender_accuracy", "age_minors_passed"]
    for key in keys:
        if values.get(key) is not None:
            ends = values.get(f"{key}_ci95")
            interval = f"95%: {interval_cell(BY_KEY[key], ends).text}" if ends else ""
            yield Tile(TITLES[key], text(BY_KEY[key], values[key]), interval)


def _gap(evidence: Evidence) -> Iterator[Tile]:
    kinds = (evidence.values.get("fairness") or {}).get("kinds") or {}
    gap = next((kinds[kind]["age_mae"] for kind in ("race_gender", "race", "gender") if "age_mae" in kinds.get(kind, {})), None)
    if gap:
        yield Tile("gap of MAE between groups", f"{gap['gap']:.2f} years", f"{gap['worst']} against {gap['best']}")


def _width(evidence: Evidence) -> Iterator[Tile]:
    levels = ((evidence.values.get("uncertainty") or {}).get("age") or {}).get("levels") or {}
    if found := (levels.get("90") or {}).get("conformal"):
        yield Tile(
            "width of a 90% age interval", f"{found['width']:.1f} years", f"measured coverage {percent(found['coverage'])}"
        )
