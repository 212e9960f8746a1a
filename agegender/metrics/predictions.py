"""Labels and predictions of some faces, as every metric takes them."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agegender.errors import AgeGenderError


@dataclass(frozen=True)
class Predictions:
    """Labels and predictions of N faces.

    Args:
        age_low: Lower end of the age label in years, [N]; NaN where unknown.
        age_high: Upper end, [N]; equal to ``age_low`` for an exact age.
        gender: Label, [N], 0 = male, 1 = female, -1 where unknown.
        age: Predicted age in years, not rounded, [N]; None if age was not predicted.
        female: Predicted probability of female in 0..1, [N]; None if gender was not predicted.
        classes: First year of each age class of the head; empty if it has none.
        crps: Continuous ranked probability score of the predicted age distribution in years, [N], NaN without an exact label;
            None if no distribution was predicted.
    """

    age_low: NDArray[np.float64]
    age_high: NDArray[np.float64]
    gender: NDArray[np.int64]
    age: Any = None
    female: Any = None
    classes: tuple[float, ...] = ()
    crps: Any = None

    def __len__(self) -> int:
        return len(self.age_low)

    def __getitem__(self, faces: NDArray[Any]) -> "Predictions":
        """The faces at a boolean mask [N] or at indices."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return Predictions(**{name: v[faces] if isinstance(v, np.ndarray) else v for name, v in values.items()})

    @property
    def tasks(self) -> tuple[str, ...]:
        """What was predicted, of ``age`` and ``gender``."""
        return tuple(task for task, values in (("age", self.age), ("gender", self.female)) if values is not None)

    def require_valid(self) -> None:
        """Checks the predictions of labelled faces.

        Raises:
            AgeGenderError: An age is not finite, or a probability is not in 0..1.
        """
        if self.age is not None:
            ages = self.age[~np.isnan(self.age_low)]
            if broken := np.count_nonzero(~np.isfinite(ages)):
                raise AgeGenderError(f"{broken} of {len(ages)} predicted ages are not finite numbers: the training diverged")
        if self.female is not None:
            female = self.female[self.gender >= 0]
            if broken := np.count_nonzero(~((female >= 0) & (female <= 1))):
                raise AgeGenderError(f"{broken} of {len(female)} gender probabilities are not in 0..1: the training diverged")
