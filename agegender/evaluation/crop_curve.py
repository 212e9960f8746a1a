"""The metrics of a model at several crop scales, and the scale that it needs for some faces."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from agegender.evaluation.measured_faces import groups_of, predictions_of
from agegender.evaluation.numbers import plain
from agegender.metrics.age import exact, labelled
from agegender.metrics.measure import measure, per_face
from agegender.metrics.metric import Metric
from agegender.metrics.paired import on_one_set
from agegender.metrics.predictions import Predictions
from agegender.metrics.registry import BY_KEY, shown

SCALES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5)


def scales_of_curve(used: Iterable[float]) -> list[float]:
    """The scales to measure, smallest first: ``SCALES`` and those of the test."""
    return sorted({*SCALES, *used})


def measure_crop_curve(
    faces: pd.DataFrame, used: Mapping[str, float], classes: Sequence[int] = (), seed: int = 0
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Measures a model at every scale, and finds for each dataset the scale to use.

    That is the scale with the smallest mean age error or, without labelled ages, the best gender accuracy. The scale of the
    test is kept if the difference from it may be chance: if 0 is in its 95% interval, by a paired bootstrap over groups.

    Args:
        faces: The same faces with their predictions at each ``scale``, without tested ones.
        used: ``data.crop_scale`` of the test, by dataset.
        classes: First year of each age class of the head; empty if it has none.
        seed: Of the bootstrap.

    Returns:
        For ``metrics.json``, by dataset: ``n`` faces, ``scales``, ``values`` (by metric key the value at each scale), ``used``
        and, if there are labels to decide by, ``metric`` that decides, ``best`` scale by it, ``gain`` over ``used`` with
        ``gain_ci95``, and ``recommended`` scale. And for ``crop_curve.csv``, one row a dataset and scale with the metrics.
    """
    metrics = shown("summary")
    found: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    for dataset, own in faces.groupby("dataset", sort=False):
        name = str(dataset)
        at = {float(str(scale)): some for scale, some in own.groupby("scale")}
        predicted = {scale: predictions_of(some, classes) for scale, some in at.items()}
        values = {scale: measure(one, metrics) for scale, one in predicted.items()}
        first = at[used[name]]
        rows += [{"dataset": name, "scale": scale, "n": len(first), **value} for scale, value in values.items()]
        found[name] = {
            "n": len(first),
            "scales": list(at),
            "values": {key: [value[key] for value in values.values()] for key in values[used[name]]},
            "used": used[name],
            **_choice(predicted, used[name], groups_of(first), seed),
        }
    return found, pd.DataFrame(rows)


def _choice(predicted: Mapping[float, Predictions], used: float, groups: np.ndarray, seed: int) -> dict[str, Any]:
    """The metric that decides, the best scale and the recommended one; empty without labels to decide by."""
    metric = BY_KEY[_deciding(predicted[used])]
    badness = {scale: per_face(metric, one) for scale, one in predicted.items()}
    known = {scale: metric.badness(values) for scale, values in badness.items() if values is not None}
    if not known:
        return {}
    labels = ~np.isnan(known[used])
    best = min(known, key=lambda scale: (known[scale][labels].mean(), abs(scale - used)))
    pair = [known[scale][labels][None] for scale in (used, best)]
    gain = on_one_set(pair, seed, groups[labels])[0]
    return {
        "metric": metric.key,
        "best": best,
        "gain": plain(gain.value),
        "gain_ci95": [plain(gain.low), plain(gain.high)],
        "recommended": best if gain.low > 0 else used,
    }


def _deciding(faces: Predictions) -> str:
    """Key of the metric that decides."""
    if faces.age is None or not labelled(faces).any():
        return "gender_accuracy"
    return "age_mae" if exact(faces)[labelled(faces)].all() else "age_distance"


def advice(name: str, curve: Mapping[str, Any]) -> str:
    """One line that says which scale to use for a dataset.

    Args:
        name: Of the dataset.
        curve: Of the dataset, as ``measure_crop_curve`` returns it.
    """
    if "metric" not in curve:
        return f"crop curve of {name}: the {curve['n']} faces have no labels to choose data.crop_scale by"
    metric, used, best = BY_KEY[curve["metric"]], curve["used"], curve["best"]
    at = f"{metric.title} {_value(curve, metric, best)}, and {_value(curve, metric, used)} at {used:g}"
    low, high = (metric.text(end, sign="+") for end in curve["gain_ci95"])
    interval = f"95% interval of the gain {low} to {high}"
    if best == used:
        line = f"keep data.crop_scale={used:g}: {metric.title} {_value(curve, metric, used)}, the best of the measured scales"
    elif curve["recommended"] == used:
        line = f"keep data.crop_scale={used:g}: no scale is better beyond chance (the best, {best:g}: {at}; {interval})"
    else:
        line = f"use data.crop_scale={best:g}: {at} (this test); {interval}"
    ends = {curve["scales"][0]: "smallest", curve["scales"][-1]: "largest"}
    if curve["recommended"] in ends:
        line += f". It is the {ends[curve['recommended']]} that was measured: try others beyond it"
    return f"crop curve of {name} ({curve['n']} faces): {line}"


def _value(curve: Mapping[str, Any], metric: Metric, scale: float) -> str:
    return metric.text(curve["values"][metric.key][curve["scales"].index(scale)])
