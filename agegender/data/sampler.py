"""How often each face is drawn for training."""

from collections.abc import Mapping

import numpy as np

from agegender.errors import AgeGenderError
from agegender.sources.faces import FaceTable


class PlainSampler:
    """Every face once an epoch."""

    def weights(self, table: FaceTable) -> None:
        """No weights: faces are shuffled, not drawn."""
        return None


class AgeBalancedSampler:
    """Draws rare ages more often, with replacement.

    A face weighs ``1 / count ** power``, where ``count`` is the number of training faces in its age band. Faces without
    an age get the mean weight.

    Args:
        band: Width of an age band, years.
        power: 1 makes all bands equally frequent, 0 none favoured, 0.5 half-way.

    Raises:
        AgeGenderError: ``band`` is not positive or ``power`` is negative.
    """

    def __init__(self, band: int = 10, power: float = 1.0) -> None:
        if band <= 0 or power < 0:
            raise AgeGenderError(f"sampler: band={band}, power={power}; allowed are band > 0 (years) and power >= 0")
        self.band = band
        self.power = power

    def weights(self, table: FaceTable) -> np.ndarray:
        """One positive weight a row of the table; an age interval counts at its middle."""
        age = (table.frame["age_low"].to_numpy() + table.frame["age_high"].to_numpy()) / 2
        known = np.isfinite(age)
        weights = np.ones(len(age))
        if known.any():
            _, band, count = np.unique(age[known] // self.band, return_inverse=True, return_counts=True)
            weights[known] = count[band] ** -self.power
            weights[~known] = weights[known].mean()
        return weights


class DatasetSampler:
    """Draws each data set in proportion to a weight, whatever its size, with replacement.

    Args:
        weights: one positive number a data set; twice the weight is twice the share of the faces drawn.

    Raises:
        AgeGenderError: A weight is not positive.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self.shares = dict(weights)
        for name, weight in self.shares.items():
            if not weight > 0:
                raise AgeGenderError(f"sampler.weights.{name}={weight} must be positive")

    def weights(self, table: FaceTable) -> np.ndarray:
        """One positive weight a row of the table; those of a data set sum to its share.

        Raises:
            AgeGenderError: The weights and the table name different data sets.
        """
        number = table.frame["dataset"].value_counts()
        if set(number.index) != set(self.shares):
            raise AgeGenderError(
                f"sampler.weights are of {', '.join(self.shares) or 'no data set'}; "
                f"the train part has faces of {', '.join(sorted(number.index))}"
            )
        return table.frame["dataset"].map({name: weight / number[name] for name, weight in self.shares.items()}).to_numpy(float)
