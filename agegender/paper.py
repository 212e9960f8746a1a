"""What an experiment's file says of the paper it follows: its figures, and how the paper says that they came about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PARTS = ("train", "val", "test")


@dataclass
class Paper:
    """The key ``paper`` of a training configuration.

    Args:
        title: As printed.
        figures: By the part of the data they are of (train, val, test) numbers by name. ``agegender.compare`` puts ``mae``,
            ``rmse``, ``cs5``, ``distance``, ``gender_accuracy`` and ``class_accuracy`` beside ours; shares are 0..1.
        protocol: The arguments of ``Protocol``; None says nothing.
    """

    title: str
    figures: Mapping[str, Mapping[str, float]]
    protocol: Mapping[str, Any] | None = None


@dataclass
class Protocol:
    """How a paper says that it trained and tested. None, and a key left out, mean that the paper does not say.

    Args:
        data: Names of data sets, as in ``data.sources``.
        fractions: Shares of the train, val and test parts.
        n: Number of faces, by part.
        image_size: Side of the images in pixels.
        batch_size: Faces a step.
        epochs: At most.
        age_range: Lowest and highest age in years.
        notes: What only a person can compare.
    """

    data: Sequence[str] | None = None
    fractions: Sequence[float] | None = None
    n: Mapping[str, int] | None = None
    image_size: int | None = None
    batch_size: int | None = None
    epochs: int | None = None
    age_range: Sequence[float] | None = None
    notes: Sequence[str] | None = None


def by_part_problems(key: str, value: Any) -> list[str]:
    """What is wrong with a mapping whose keys are to be parts of the data, such as ``paper.figures``."""
    unknown = [part for part in value if part not in PARTS] if isinstance(value, Mapping) else []
    return [f"{key}.{part}: not a part of the data. Allowed: {', '.join(PARTS)}" for part in unknown]


def figure_problems(figures: Any) -> list[str]:
    """Figures that are no numbers, or stand under no part."""
    problems = by_part_problems("paper.figures", figures)
    for part, named in figures.items() if isinstance(figures, Mapping) else ():
        if not isinstance(named, Mapping):
            problems.append(f"paper.figures.{part}={named}: expected numbers by name, such as {{mae: 3.45}}")
            continue
        for name, value in named.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                problems.append(f"paper.figures.{part}.{name}={value}: expected a number; put words into paper.protocol.notes")
            elif (name.endswith("accuracy") or name == "cs5") and not 0 <= value <= 1:
                problems.append(f"paper.figures.{part}.{name}={value}: expected a share between 0 and 1")
    return problems
