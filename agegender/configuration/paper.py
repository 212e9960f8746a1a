"""The key ``paper`` of an experiment: metrics that a paper prints, and the protocol that it describes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from agegender.metrics.registry import BY_KEY

SPLITS = ("train", "val", "test")


@dataclass
class Paper:
    """The key ``paper`` of a training configuration.

    Args:
        title: As printed. Experiments that follow one paper give the same title.
        metrics: For each split (train, val, test) the values that the paper prints, by the metric's key in
            ``agegender.metrics.registry``; shares are 0..1, ages in years. ``agegender.compare`` puts them beside ours. If our
            run has no test split, those of ``test`` stand beside the split that it tested, with a remark.
        system: A short name of this system among the several of one paper, such as ``VGG16``; None if the paper has one.
        protocol: The arguments of ``Protocol``; None if unknown.
        by_dataset: For a paper with results on several datasets: for each of them, by its name in ``data.sources``, its own
            ``metrics``, and what is different in its ``protocol``. A run on one of them is compared with these.
    """

    title: str
    metrics: Mapping[str, Mapping[str, float]]
    system: str | None = None
    protocol: Mapping[str, Any] | None = None
    by_dataset: Mapping[str, Mapping[str, Mapping[str, Any]]] | None = None


@dataclass
class Protocol:
    """How a paper trained and tested. None, or a key left out, means that the paper does not say.

    Args:
        data: Names of data sets, as in ``data.sources``.
        fractions: Shares of the train, val and test splits.
        n: Number of faces by split.
        image_size: Side of the images in pixels.
        batch_size: Faces a step.
        epochs: Maximum number.
        epoch: The epoch that the paper's training and validation metrics are from: ``last`` or ``best``. Ours are from the
            tested epoch, or from the last one if this is ``last``.
        backbone: ``backbone.name``, or the class of a backbone without a name.
        age_range: Lowest and highest age in years.
        notes: Differences that only a person can judge.
    """

    data: Sequence[str] | None = None
    fractions: Sequence[float] | None = None
    n: Mapping[str, int] | None = None
    image_size: int | None = None
    batch_size: int | None = None
    epochs: int | None = None
    epoch: Literal["last", "best"] | None = None
    backbone: str | None = None
    age_range: Sequence[float] | None = None
    notes: Sequence[str] | None = None


def paper_on(paper: Mapping[str, Any], datasets: Sequence[str]) -> dict[str, Any]:
    """The key ``paper`` for a run on some datasets: metrics and protocol are those of ``by_dataset``, if it has them.

    Args:
        paper: The arguments of ``Paper``.
        datasets: Names of the datasets that the run was trained and tested on.
    """
    own = (paper.get("by_dataset") or {}).get("+".join(datasets))
    if own is None:
        return dict(paper)
    protocol = {**(paper.get("protocol") or {}), "data": list(datasets), **(own.get("protocol") or {})}
    return {**paper, "metrics": own.get("metrics") or {}, "protocol": protocol}


def by_split_problems(key: str, value: Any) -> list[str]:
    """What is wrong with a mapping that must have splits as keys, such as ``paper.metrics``."""
    unknown = [split for split in value if split not in SPLITS] if isinstance(value, Mapping) else []
    return [f"{key}.{split}: unknown split. Allowed: {', '.join(SPLITS)}" for split in unknown]


def metric_problems(metrics: Any, path: str = "paper.metrics") -> list[str]:
    """What is wrong with ``paper.metrics``: unknown splits or metrics, values that are not numbers, shares outside 0..1."""
    problems = by_split_problems(path, metrics)
    for split, values in metrics.items() if isinstance(metrics, Mapping) else ():
        if not isinstance(values, Mapping):
            problems.append(f"{path}.{split}={values}: expected numbers by metric, such as {{age_mae: 3.45}}")
            continue
        for name, value in values.items():
            key = f"{path}.{split}.{name}"
            if name not in BY_KEY:
                problems.append(f"{key}: unknown metric. Allowed: {', '.join(BY_KEY)}; put others into paper.protocol.notes")
            elif isinstance(value, bool) or not isinstance(value, int | float):
                problems.append(f"{key}={value}: expected a number; put words into paper.protocol.notes")
            elif BY_KEY[name].unit == "share" and not 0 <= value <= 1:
                problems.append(f"{key}={value}: expected a share between 0 and 1")
    return problems
