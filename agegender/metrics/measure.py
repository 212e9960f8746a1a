"""Computes metrics of the registry over some faces."""

from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agegender.metrics.metric import Metric, Need
from agegender.metrics.predictions import Predictions
from agegender.metrics.registry import METRICS, NEEDS
from agegender.metrics.statistic import MeanOf, Statistic


@cache
def function(path: str) -> Callable[[Predictions], Any]:
    """The function that the registry names, such as ``age.exact``."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(f"agegender.metrics.{module}"), name)


@cache
def statistic(metric: Metric) -> Statistic:
    """The statistic that a computed metric is: a mean of one number a face, or what its entry in the registry names."""
    if metric.per_face:
        return MeanOf(function(metric.per_face))
    found: Any = function(str(metric.overall))
    return found


def labelled(need: Need, faces: Predictions) -> NDArray[np.bool_] | None:
    """Which faces have the labels, [N]; None where the model did not predict what would be compared with them."""
    return function(need.labelled)(faces) if need.task in faces.tasks else None


def counts(faces: Predictions) -> dict[str, int]:
    """``n`` faces, and ``n_KEY`` of them with the labels of each ``Need`` that the model has predictions for."""
    masks = {need.key: labelled(need, faces) for need in NEEDS}
    return {"n": len(faces), **{f"n_{key}": int(mask.sum()) for key, mask in masks.items() if mask is not None}}


def measure(faces: Predictions, metrics: Iterable[Metric] = METRICS) -> dict[str, float | None]:
    """The value of each metric by key.

    Returns:
        None where no face has the labels, or where the metric is undefined. A metric that the model cannot have is left out:
        one of another task, or of age classes without such a head.
    """
    known = {need: faces[mask] for need in NEEDS if (mask := labelled(need, faces)) is not None}
    computed = [(metric, known[metric.needs]) for metric in metrics if metric.is_computed and metric.needs in known]
    return {metric.key: _value(metric, some) for metric, some in computed}


def _value(metric: Metric, faces: Predictions) -> float | None:
    if not len(faces):
        return None
    return statistic(metric)(faces)


def per_face(metric: Metric, faces: Predictions) -> NDArray[np.float64] | None:
    """The numbers whose mean is the metric, [N]; NaN for a face without the labels.

    Returns:
        None where there is no such number: the metric is no mean, the model has no such predictions, no face the labels.
    """
    mask = labelled(metric.needs, faces) if metric.needs and metric.per_face else None
    if mask is None or metric.per_face is None or not mask.any():
        return None
    values = np.full(len(faces), np.nan)
    values[mask] = function(metric.per_face)(faces[mask])
    return values
