"""The metrics of a model on the same faces, changed in graded ways."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from agegender.data.corruptions import CORRUPTIONS, Corrupted
from agegender.evaluation.results import predictions_of
from agegender.metrics.measure import measure
from agegender.metrics.registry import shown

log = logging.getLogger(__name__)


def measure_robustness(
    clean: pd.DataFrame, predict: Callable[[Corrupted], pd.DataFrame], classes: Sequence[int] = ()
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Measures a model on every corruption of ``agegender.data.corruptions``, at every level.

    Args:
        clean: The unchanged faces with their predictions.
        predict: Predicts the same faces, each image changed by the argument.
        classes: First year of each age class of the head; empty if it has none.

    Returns:
        For ``metrics.json``: ``n`` faces; ``clean``, the metrics of the unchanged faces by key; and ``corruptions``, for
        each its ``title``, ``unit``, ``artificial``, ``levels`` and ``values``, by metric key the value at each level. And
        for ``robustness.csv``, one row a level: ``corruption``, ``level``, ``artificial``, ``n`` and the metrics; the first
        row is of the unchanged faces.
    """
    metrics = shown("summary")
    unchanged = measure(predictions_of(clean, classes), metrics)
    rows: list[dict[str, Any]] = [{"corruption": "none", "level": "", "artificial": False, "n": len(clean), **unchanged}]
    corruptions = {}
    for kind, corruption in CORRUPTIONS.items():
        values = []
        for level in corruption.levels:
            found = measure(predictions_of(predict(Corrupted(kind, level)), classes), metrics)
            values.append(found)
            rows.append({"corruption": kind, "level": level, "artificial": corruption.artificial, "n": len(clean), **found})
        log.info("robustness: %s measured at %d levels", corruption.title, len(values))
        corruptions[kind] = {
            "title": corruption.title,
            "unit": corruption.unit,
            "artificial": corruption.artificial,
            "levels": list(corruption.levels),
            "values": {key: [value[key] for value in values] for key in unchanged},
        }
    return {"n": len(clean), "clean": unchanged, "corruptions": corruptions}, pd.DataFrame(rows)
