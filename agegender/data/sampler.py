"""How often each face is drawn for training."""

from collections.abc import Mapping, Sequence

import numpy as np

from agegender.errors import AgeGenderError
from agegender.sources.faces import FaceTable

YEARS = 121  # completed years of LDS: 0 to 120


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
        power: 1 makes all bands equally frequent, so that a band of a handful of faces is drawn over and over; 0 favours
            none, 0.5 is half-way.

    Raises:
        AgeGenderError: ``band`` is not positive or ``power`` is negative.
    """

    def __init__(self, band: int = 10, power: float = 0.5) -> None:
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
            weights[known] = count[band] ** -float(self.power)  # sampler.power=1 is an integer
            weights[~known] = weights[known].mean()
        return weights


class LDSSampler:
    """Draws faces of sparse ages more often, with replacement: label distribution smoothing (Yang et al., ICML 2021).

    A face weighs one over the density at its age. The density is the number of training faces of each completed year,
    to the given power, then smoothed over neighbouring years, since a face of 41 also tells about 40. Order, kernel (1
    in the middle, a Gaussian whose tails are reflected at its ends) and borders (nobody is younger than 0) are those of
    the authors' code, github.com/YyzHarry/imbalanced-regression, whose weights these are for exact ages up to 120.

    There the losses are multiplied by the weights. Drawing by them has the same expected gradient up to a constant, but
    a rare face comes in several steps and augmentations instead of once with a large gradient. An age interval, which
    the authors do not have, counts evenly in each of its years, and its own density is the mean over them. Faces
    without an age get the mean weight.

    Args:
        sigma: Standard deviation of the Gaussian, years.
        kernel: Number of years it reaches over, odd; 1 smooths nothing.
        power: 0.5 is the authors' square-root inverse, 1 their inverse.
        clip: Fewest and most faces that a year counts as; the authors have [5, 1000] with power 1, None with 0.5.

    Raises:
        AgeGenderError: ``sigma`` or ``power`` is not positive, ``kernel`` is not an odd positive number, or ``clip`` is
            not two rising numbers.
    """

    def __init__(self, sigma: float = 2.0, kernel: int = 5, power: float = 0.5, clip: Sequence[float] | None = None) -> None:
        if sigma <= 0 or kernel < 1 or kernel % 2 == 0 or power <= 0:
            raise AgeGenderError(
                f"sampler: sigma={sigma}, kernel={kernel}, power={power}; allowed are sigma > 0 (years), an odd kernel > 0 "
                "(years) and power > 0 (sampler=plain favours no age)"
            )
        if clip is not None and (len(clip) != 2 or not 0 <= clip[0] <= clip[1] or clip[1] == 0):
            raise AgeGenderError(f"sampler.clip={list(clip)}: must be the fewest and the most faces of a year, or null")
        self.kernel = _kernel(kernel, sigma)
        self.power = power
        self.clip = clip

    def weights(self, table: FaceTable) -> np.ndarray:
        """One positive weight a row of the table."""
        low, high = (table.frame[column].to_numpy() for column in ("age_low", "age_high"))
        known = np.isfinite(low)
        weights = np.ones(len(known))
        if known.any():
            first, after = low[known].astype(int), high[known].astype(int) + 1
            change = np.zeros(max(after.max(), YEARS) + 1)  # of the number of faces from one year to the next
            np.add.at(change, first, 1 / (after - first))
            np.add.at(change, after, -1 / (after - first))
            count = change.cumsum()[:-1].clip(*(self.clip or (0, np.inf)))  # sums of fractions may fall below 0
            smooth = np.convolve(count**self.power, self.kernel, mode="full")[len(self.kernel) // 2 :]
            up_to = np.concatenate([[0.0], smooth.cumsum()])
            weights[known] = (after - first) / (up_to[after] - up_to[first])
            weights[~known] = weights[known].mean()
        return weights


def _kernel(size: int, sigma: float) -> np.ndarray:
    """``[size]``: what scipy's ``gaussian_filter1d`` makes of a single one, divided by its largest value."""
    reach = int(4 * sigma + 0.5)
    gaussian = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    one = np.zeros(size)
    one[size // 2] = 1.0
    kernel = np.convolve(np.pad(one, reach, mode="symmetric"), gaussian, mode="valid")
    return kernel / kernel.max()


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
