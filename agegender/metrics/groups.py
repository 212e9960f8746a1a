"""The same metrics for each group of faces: by age, or by gender and race as labelled."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from agegender.metrics.age import exact
from agegender.metrics.measure import counts, measure
from agegender.metrics.predictions import Predictions
from agegender.metrics.registry import shown

Values = dict[str, float | int | None]


def by_group(faces: Predictions, group: Sequence[Any]) -> dict[Any, Values]:
    """Numbers of faces and the metrics of a summary for each group, in sorted order.

    Args:
        faces: N faces.
        group: The group of each face, [N]; a face with None belongs to no group.
    """
    groups = np.array(group, dtype=object)
    found: dict[Any, Values] = {}
    for name in sorted({one for one in group if one is not None}):
        some = faces[groups == name]
        found[name] = {**counts(some), **measure(some, shown("summary"))}
    return found


def by_decade(faces: Predictions) -> dict[str, Values]:
    """As ``by_group``, for the faces with an exact age in each decade: ``0-9``, ``10-19``, ..., youngest first."""
    decades = [int(age // 10 * 10) if known else None for age, known in zip(faces.age_low, exact(faces), strict=True)]
    return {f"{decade}-{decade + 9}": values for decade, values in by_group(faces, decades).items()}
