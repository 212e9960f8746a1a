"""Samplers: how often each training face is drawn."""

from collections.abc import Mapping, Sequence

import numpy as np

from agegender.errors import AgeGenderError
from agegender.sources.faces import FaceTable

YEARS = 121  # ages of label distribution smoothing, in completed years: 0 to 120


class PlainSampler:
    """Every face once an epoch, in random order."""

    def weights(self, table: FaceTable) -> None:
        """Returns None: faces are shuffled, not drawn by weight."""
        return None


class AgeBalancedSampler:
    """Draws rare ages more often, with replacement.

    A face weighs ``1 / count ** power``, where ``count`` is the number of training faces in its age band. Faces without
    an age get the mean weight.

    Args:
        band: Width of an age band, years.
        power: 0 draws ages as they occur; 1 makes all age bands equally frequent, which repeats the faces of small
            bands very often.

    Raises:
        AgeGenderError: ``band`` is not positive or ``power`` is negative.
    """

    def __init__(self, band: int = 10, power: float = 0.5) -> None:
        if band <= 0 or power < 0:
            raise AgeGenderError(f"sampler: band={band}, power={power}; band must be > 0 (years) and power >= 0")
        self.band = band
        self.power = power

    def weights(self, table: FaceTable) -> np.ndarray:
        """Returns one positive weight per row of the table; an age interval counts as its midpoint."""
        age = (table.frame["age_low"].to_numpy() + table.frame["age_high"].to_numpy()) / 2
        known = np.isfinite(age)
        weights = np.ones(len(age))
        if known.any():
            _, band, count = np.unique(age[known] // self.band, return_inverse=True, return_counts=True)
            weights[known] = count[band] ** -float(self.power)  # sampler.power=1 is an integer
            weights[~known] = weights[known].mean()
        return weights


class GroupBalancedSampler:
    """Draws faces of small groups of race and gender more often, with replacement.

    A face weighs ``1 / count ** power``, where ``count`` is the number of training faces of its race and gender as labelled.
    Faces without a race or a gender get the mean weight.

    Args:
        power: 0 draws groups as they occur; 1 makes all groups equally frequent.

    Raises:
        AgeGenderError: ``power`` is negative.
    """

    def __init__(self, power: float = 1.0) -> None:
        if power < 0:
            raise AgeGenderError(f"sampler.power={power} must be >= 0")
        self.power = power

    def weights(self, table: FaceTable) -> np.ndarray:
        """Returns one positive weight per row of the table.

        Raises:
            AgeGenderError: No face of the table has both labels.
        """
        known = table.frame[["race", "gender"]].notna().all(axis=1).to_numpy()
        if not known.any():
            raise AgeGenderError("sampler=group_balanced needs faces with race and gender; the train split has none")
        groups = table.frame[known].groupby(["race", "gender"])["path"].transform("size")
        weights = np.ones(len(known))
        weights[known] = groups.to_numpy(float) ** -self.power
        weights[~known] = weights[known].mean()
        return weights


class LDSSampler:
    """Draws rare ages more often, with replacement: label distribution smoothing (Yang et al., ICML 2021).

    The weight of a face is 1 / density at its age. The density is the number of training faces of each completed year,
    raised to ``power`` and then smoothed over neighbouring years with a Gaussian kernel. For exact ages up to 120 the
    weights equal those of the authors' code (github.com/YyzHarry/imbalanced-regression): the kernel is 1 at its centre,
    its tails are reflected at its ends, and there are no ages below 0.

    The authors multiply the losses by the weights. Sampling by the weights has the same expected gradient up to a
    constant factor; a rare face then occurs in several steps with different augmentations, instead of once with a large
    gradient. The authors have no age intervals. Here an interval counts in equal fractions in each of its years, and its
    density is the mean over these years. Faces without an age get the mean weight.

    Args:
        sigma: Standard deviation of the Gaussian, years.
        kernel: Width of the kernel, an odd number of years; 1 disables smoothing.
        power: 0.5 for the authors' square-root inverse weighting, 1 for their inverse weighting.
        clip: Smallest and largest count of a year; None does not clip. The authors use [5, 1000] with ``power`` 1 and
            None with 0.5.

    Raises:
        AgeGenderError: ``sigma`` or ``power`` is not positive, ``kernel`` is not an odd positive number, or ``clip`` is
            not a pair ``0 <= low <= high`` with ``high > 0``.
    """

    def __init__(self, sigma: float = 2.0, kernel: int = 5, power: float = 0.5, clip: Sequence[float] | None = None) -> None:
        if sigma <= 0 or kernel < 1 or kernel % 2 == 0 or power <= 0:
            raise AgeGenderError(
                f"sampler: sigma={sigma}, kernel={kernel}, power={power}; sigma must be > 0 (years), kernel an odd number > 0 "
                "(years) and power > 0 (for unweighted sampling use sampler=plain)"
            )
        if clip is not None and (len(clip) != 2 or not 0 <= clip[0] <= clip[1] or clip[1] == 0):
            raise AgeGenderError(f"sampler.clip={list(clip)} must be null or [low, high] with 0 <= low <= high and high > 0")
        self.kernel = _kernel(kernel, sigma)
        self.power = power
        self.clip = clip

    def weights(self, table: FaceTable) -> np.ndarray:
        """Returns one positive weight per row of the table."""
        low, high = (table.frame[column].to_numpy() for column in ("age_low", "age_high"))
        known = np.isfinite(low)
        weights = np.ones(len(known))
        if known.any():
            first, after = low[known].astype(int), high[known].astype(int) + 1
            change = np.zeros(max(after.max(), YEARS) + 1)  # difference of the face count from one year to the next
            np.add.at(change, first, 1 / (after - first))
            np.add.at(change, after, -1 / (after - first))
            count = change.cumsum()[:-1].clip(*(self.clip or (0, np.inf)))  # rounding errors may make a sum negative
            smooth = np.convolve(count**self.power, self.kernel, mode="full")[len(self.kernel) // 2 :]
            up_to = np.concatenate([[0.0], smooth.cumsum()])
            weights[known] = (after - first) / (up_to[after] - up_to[first])
            weights[~known] = weights[known].mean()
        return weights


def _kernel(size: int, sigma: float) -> np.ndarray:
    """Equals scipy's ``gaussian_filter1d`` applied to a unit impulse ``[size]``, divided by its maximum."""
    reach = int(4 * sigma + 0.5)
    gaussian = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    one = np.zeros(size)
    one[size // 2] = 1.0
    kernel = np.convolve(np.pad(one, reach, mode="symmetric"), gaussian, mode="valid")
    return kernel / kernel.max()


class DatasetSampler:
    """Draws each dataset in proportion to its weight, whatever its size, with replacement.

    Args:
        weights: One positive number per dataset; the share of drawn faces is proportional to it.

    Raises:
        AgeGenderError: A weight is not positive.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self.shares = dict(weights)
        for name, weight in self.shares.items():
            if not weight > 0:
                raise AgeGenderError(f"sampler.weights.{name}={weight} must be > 0")

    def weights(self, table: FaceTable) -> np.ndarray:
        """Returns one positive weight per row of the table; the weights of a dataset sum to its share.

        Raises:
            AgeGenderError: ``weights`` and the table do not name the same datasets.
        """
        number = table.frame["dataset"].value_counts()
        if set(number.index) != set(self.shares):
            raise AgeGenderError(
                f"sampler.weights names the datasets {', '.join(self.shares) or '(none)'}; "
                f"the train split has faces of {', '.join(sorted(number.index))}"
            )
        return table.frame["dataset"].map({name: weight / number[name] for name, weight in self.shares.items()}).to_numpy(float)
