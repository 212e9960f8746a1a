"""Confusion matrices of age ranges, age classes and gender."""

from collections.abc import Callable, Sequence
from typing import Any

from agegender.metrics import gender, ranges
from agegender.metrics.measure import labelled
from agegender.metrics.metric import Need
from agegender.metrics.predictions import Predictions
from agegender.metrics.registry import AGE_CLASS, AGE_RANGE, GENDER


def confusions(faces: Predictions) -> dict[str, dict[str, Any]]:
    """Confusion matrices by ``age_range``, ``age_class`` and ``gender``, as far as faces have the labels.

    Returns:
        For each the ``names`` of its R classes and ``counts``, numbers of faces [R][R]: rows labelled, columns predicted.
    """
    starts = faces.classes
    matrices: list[tuple[Need, Callable[[], Sequence[str]], Callable[[Predictions], Any]]] = [
        (AGE_RANGE, lambda: ranges.names(ranges.NINE), lambda some: ranges.confusion(some, ranges.NINE)),
        (AGE_CLASS, lambda: ranges.names(starts), lambda some: ranges.confusion(some, starts)),
        (GENDER, lambda: gender.CLASSES, gender.confusion),
    ]
    found = {}
    for need, names, count in matrices:
        mask = labelled(need, faces)
        if mask is not None and mask.any():
            found[need.key] = {"names": list(names()), "counts": count(faces[mask]).tolist()}
    return found
