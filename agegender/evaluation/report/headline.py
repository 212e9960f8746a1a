"""The few numbers at the top of a report."""

from dataclasses import dataclass

from agegender.evaluation.report.metric_table import interval_cell, text
from agegender.evaluation.report.section import Evidence
from agegender.metrics.registry import BY_KEY


@dataclass(frozen=True)
class Tile:
    """A number, what it is, and a line below it with its uncertainty."""

    title: str
    value: str
    below: str


def headline(evidence: Evidence) -> list[Tile]:
    """The main metric of each task with its interval."""
    tiles = []
    for keys, title in ((("age_mae", "age_distance"), "mean error of age"), (("gender_accuracy",), "right gender")):
        key = next((key for key in keys if evidence.values.get(key) is not None), None)
        if key is None:
            continue
        metric, ends = BY_KEY[key], evidence.values.get(f"{key}_ci95")
        tiles.append(
            Tile(title, text(metric, evidence.values[key]), f"95%: {interval_cell(metric, ends).text}" if ends else "")
        )
    return tiles
