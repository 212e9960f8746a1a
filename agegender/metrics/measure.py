"""Computes metrics of the registry over some faces."""

from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agegender.metrics.bootstrap import mean_ci95
from agegender.metrics.metric import Metric, Need
from agegender.metrics.predictions import Predictions
from agegender.metrics.registry import METRICS, NEEDS


@cache
def function(path: str) -> Callable[[Predictions], Any]:
    """The function that the registry names, such as ``age.exact``."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(f"agegender.metrics.{module}"), name)


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
    if metric.per_face:
        return float(np.mean(function(metric.per_face)(faces)))
    value = function(str(metric.overall))(faces)
    return None if value is None else float(value)


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


def intervals(
    faces: Predictions, metrics: Iterable[Metric], seed: int, groups: ArrayLike | None = None
) -> dict[str, list[float] | None]:
    """``KEY_ci95``, the 95% bootstrap interval [low, high], for each metric that is a mean over faces.

    Args:
        faces: All of them.
        metrics: Those that the model cannot have, and those that are no means, are left out.
        seed: Of the bootstrap.
        groups: What ties faces together, [N]; see ``mean_ci95``.
    """
    found: dict[str, list[float] | None] = {}
    for metric in metrics:
        if metric.needs is None or metric.per_face is None or (mask := labelled(metric.needs, faces)) is None:
            continue
        tied = None if groups is None else np.asarray(groups)[mask]
        values = function(metric.per_face)(faces[mask])
        found[f"{metric.key}_ci95"] = mean_ci95(values, seed, groups=tied) if len(values) else None
    return found
