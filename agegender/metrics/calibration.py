"""A saved calibration: age intervals and scaled probabilities of gender for new predictions."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agegender.metrics.conformal import ALL, Offsets, extended
from agegender.metrics.distributions import ENDS, LEVELS, QUANTILES, quantile
from agegender.metrics.gender import CLASSES
from agegender.metrics.ranges import NINE, names, range_of
from agegender.metrics.reliability import scaled
from agegender.metrics.statistic import Floats

SCHEMA = 1
Mondrian = Literal["gender", "age_band"] | None


@dataclass(frozen=True)
class Calibration:
    """What the labelled faces of a test say about the uncertainty of a model's predictions.

    The coverage holds for faces like those, not for other cameras or populations.

    Args:
        age_range: First and last age in years.
        offsets: By level in percent, years around the predicted age; empty if there is no interval.
        quantile_offsets: The same around the predicted quantiles; empty without predicted distributions.
        mondrian: Whether the offsets are by predicted gender or age; None: one for all.
        temperature: Of the probability of female; 1 if there was nothing to fit it to.
        reason: Why there are no age intervals; None if there are.
        from_quantiles: Levels at which intervals from quantiles are narrower on average.
    """

    age_range: tuple[float, float]
    offsets: dict[int, Offsets]
    quantile_offsets: dict[int, Offsets]
    mondrian: Mondrian
    temperature: float
    reason: str | None = None
    from_quantiles: frozenset[int] = frozenset()

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self:
        """Reads the content of ``calibration.json``.

        Raises:
            ValueError: It has a later schema than this version knows, or a value that is not allowed.
        """
        if content["schema"] != SCHEMA:
            raise ValueError(f"schema {content['schema']}: this version reads {SCHEMA}")
        age, gender = content["age"], content["gender"]
        low, high = map(float, content["age_range"])
        if not 0 < (temperature := float(gender.get("temperature", 1.0))) < math.inf:
            raise ValueError(f"temperature {temperature}: expected a number above 0")
        around, quantiles = (
            {int(level): _read(one[kind]) for level, one in (age.get("levels") or {}).items() if one.get(kind)}
            for kind in ("conformal", "quantile")
        )
        widths = {int(level): one.get("width") or {} for level, one in (age.get("levels") or {}).items()}
        narrower = {level for level in quantiles if widths[level].get("quantile", math.inf) < widths[level].get("conformal", 0)}
        return cls(
            (low, high), around, quantiles, age.get("mondrian"), temperature, age.get("reason"),
            frozenset(narrower),
        )  # fmt: skip

    @property
    def levels(self) -> tuple[int, ...]:
        """Levels in percent that intervals can have; empty if there are none, see ``reason``."""
        return tuple(level for level in LEVELS if level in self.offsets)

    def age_interval(self, age: ArrayLike, level: int = 90, female: ArrayLike | None = None) -> tuple[Floats, Floats]:
        """Age intervals that contain the label of ``level`` percent of faces like those of the calibration, each [N].

        Args:
            age: Predicted ages in years, [N].
            level: One of ``levels``.
            female: Predicted probability of female, [N]; needed if ``mondrian`` is ``gender``.

        Raises:
            ValueError: There is no interval of this level.
        """
        age = np.asarray(age, dtype=np.float64)
        return self._extended(self.offsets, level, age, age, age, female)

    def quantile_interval(
        self, age: ArrayLike, lower: ArrayLike, upper: ArrayLike, level: int = 90, female: ArrayLike | None = None
    ) -> tuple[Floats, Floats]:
        """As ``age_interval``, with a width of its own for each face, from quantiles of its predicted distribution.

        Args:
            age: Predicted ages in years, [N].
            lower: Quantile at (100 - level) / 2 percent in years, [N].
            upper: Quantile at (100 + level) / 2 percent in years, [N].
            level: One of ``levels``.
            female: Predicted probability of female, [N]; needed if ``mondrian`` is ``gender``.

        Raises:
            ValueError: There is no such interval.
        """
        lower, upper = np.asarray(lower, dtype=np.float64), np.asarray(upper, dtype=np.float64)
        return self._extended(self.quantile_offsets, level, lower, upper, np.asarray(age, dtype=np.float64), female)

    def narrow_interval(
        self, age: Floats, level: int, distribution: Floats | None = None, female: Floats | None = None
    ) -> tuple[Floats, Floats]:
        """The intervals of the method that was narrower in the test: around the predicted age, or from the distribution.

        Args:
            age: Predicted ages in years, [N].
            level: One of ``levels``.
            distribution: Probability of each whole year from the first age on, [N, A]; None if the model has none.
            female: Predicted probability of female, [N].

        Raises:
            ValueError: There is no interval of this level.
        """
        if distribution is None or level not in self.from_quantiles:
            return self.age_interval(age, level, female)
        up_to = np.cumsum(distribution, axis=1, dtype=np.float64)
        up_to /= up_to[:, -1:]
        lower, upper = (quantile(up_to, int(self.age_range[0]), QUANTILES[name]) for name in ENDS[level])
        return self.quantile_interval(age, lower, upper, level, female)

    def _extended(
        self, offsets: Mapping[int, Offsets], level: int, lower: Floats, upper: Floats, age: Floats, female: ArrayLike | None
    ) -> tuple[Floats, Floats]:
        if level not in offsets:
            allowed = ", ".join(f"{one}%" for one in offsets)
            raise ValueError(f"no age interval of {level}%: {self.reason or f'allowed: {allowed or None}'}")
        return extended(lower, upper, offsets[level], categories(self.mondrian, age, female), self.age_range)

    def probability_female(self, female: ArrayLike) -> Floats:
        """Calibrated probability of female, [N], from the predicted one."""
        return scaled(np.asarray(female, dtype=np.float64), self.temperature)


def categories(mondrian: Mondrian, age: Floats, female: ArrayLike | None) -> NDArray[np.str_]:
    """The category of each face that has an interval of its own width, [N].

    It depends on predictions only, because a new face has no labels.

    Args:
        mondrian: ``gender``, ``age_band`` or None.
        age: Predicted ages in years, [N].
        female: Predicted probability of female, [N].

    Raises:
        ValueError: ``gender`` without predicted gender.
    """
    if mondrian == "age_band":
        return np.array(names(NINE))[range_of(age)]
    if mondrian == "gender":
        if female is None:
            raise ValueError("age intervals by predicted gender need the predicted gender")
        return np.array(CLASSES)[(np.asarray(female) > 0.5).astype(np.int64)]
    return np.full(len(age), ALL)


def saved(offsets: Offsets) -> dict[str, float | None]:
    """Offsets as JSON holds them: None for infinity."""
    return {name: None if math.isinf(value) else value for name, value in offsets.items()}


def _read(values: Mapping[str, float | None]) -> Offsets:
    return {name: math.inf if value is None else float(value) for name, value in values.items()}
