"""What an experiment's file says of the paper it follows: its figures, and how the paper says that they came about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

PARTS = ("train", "val", "test")
SHARES = (
    "cs5", "class_accuracy", "gender_accuracy",
    *(f"{measure}_{gender}" for measure in ("precision", "recall", "f1") for gender in ("female", "male")),
)  # fmt: skip
FIGURES = ("mae", "distance", "rmse", *SHARES, "age_loss", "gender_loss", "latency_ms")


@dataclass
class Paper:
    """The key ``paper`` of a training configuration.

    Args:
        title: As printed; experiments that follow one paper name it alike.
        figures: By the part of the data they are of (train, val, test) numbers by name, which ``agegender.compare`` puts
            beside ours. Names are those of ``FIGURES``; shares are 0..1, ages in years. A figure of a part that our split
            lacks may stand here too: it is put beside the part we tested, and marked.
        system: A short name of this system among the several of one paper, such as ``VGG16``; None where it has one.
        protocol: The arguments of ``Protocol``; None says nothing.
    """

    title: str
    figures: Mapping[str, Mapping[str, float]]
    system: str | None = None
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
        epoch: Whose training and validation figures are printed: of the ``last`` one, or of the ``best``. Ours are of the
            epoch tested, and of the last epoch where this says so.
        backbone: Its ``backbone.name``, or the class of a backbone that has no name.
        age_range: Lowest and highest age in years.
        notes: What only a person can compare.
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


def by_part_problems(key: str, value: Any) -> list[str]:
    """What is wrong with a mapping whose keys are to be parts of the data, such as ``paper.figures``."""
    unknown = [part for part in value if part not in PARTS] if isinstance(value, Mapping) else []
    return [f"{key}.{part}: not a part of the data. Allowed: {', '.join(PARTS)}" for part in unknown]


def figure_problems(figures: Any) -> list[str]:
    """Figures that are no numbers, are called something unknown, or stand under no part."""
    problems = by_part_problems("paper.figures", figures)
    for part, named in figures.items() if isinstance(figures, Mapping) else ():
        if not isinstance(named, Mapping):
            problems.append(f"paper.figures.{part}={named}: expected numbers by name, such as {{mae: 3.45}}")
            continue
        for name, value in named.items():
            key = f"paper.figures.{part}.{name}"
            if name not in FIGURES:
                problems.append(f"{key}: unknown. Allowed: {', '.join(FIGURES)}; put others into paper.protocol.notes")
            elif isinstance(value, bool) or not isinstance(value, int | float):
                problems.append(f"{key}={value}: expected a number; put words into paper.protocol.notes")
            elif name in SHARES and not 0 <= value <= 1:
                problems.append(f"{key}={value}: expected a share between 0 and 1")
    return problems
