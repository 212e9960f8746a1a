"""Age intervals with a guaranteed coverage: split conformal prediction.

The interval around a prediction is as wide as the errors on other faces, with known labels, say (Vovk et al., 2005; Lei et al.,
2018). If the faces are exchangeable, it contains the label of a new face with at least the chosen probability, whatever the
model. Conformalised quantile regression starts from quantiles that the model predicts instead (Romano, Patterson and Candes,
2019). Mondrian prediction does either for each category of faces (Vovk et al., 2003).
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from agegender.metrics.statistic import Floats

Offsets = dict[str, float]  # years by category of faces; infinite where the faces are too few
ALL = ""  # the only category without Mondrian prediction


def nonconformity(lower: Floats, upper: Floats, low: Floats, high: Floats) -> Floats:
    """Years by which a predicted interval must be extended on both sides to contain the label, [N]; negative to shorten it.

    Args:
        lower: Lower end of the predicted interval, [N]; for a single predicted age, the age.
        upper: Upper end, [N].
        low: Lower end of the label, [N]. Of a range, the whole range must be contained, because any of its years may be right.
        high: Upper end of the label, [N].
    """
    return np.maximum(lower - low, high - upper)


def offset(scores: ArrayLike, level: int) -> float:
    """The extension that contains the label of a new face with a probability of at least ``level`` percent.

    Args:
        scores: Nonconformity of the n calibration faces, [n].
        level: In percent, 1 to 99.

    Returns:
        The k-th smallest score, k = ceil((n + 1) level / 100); infinity if k is above n.
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    k = -(-(len(ordered) + 1) * level // 100)
    return float(ordered[k - 1]) if k <= len(ordered) else math.inf


def offsets(scores: Floats, categories: NDArray[np.str_], level: int) -> Offsets:
    """The offset of each category of faces.

    Args:
        scores: [n].
        categories: [n].
        level: In percent, 1 to 99.
    """
    return {str(name): offset(scores[categories == name], level) for name in np.unique(categories)}


def extended(
    lower: Floats, upper: Floats, offsets: Mapping[str, float], categories: NDArray[np.str_], age_range: tuple[float, float]
) -> tuple[Floats, Floats]:
    """Extended intervals inside the age range, each [N].

    Args:
        lower: Lower end of the predicted intervals, [N].
        upper: Upper end, [N].
        offsets: By category. A category without one gets the whole age range.
        categories: [N].
        age_range: First and last age in years.
    """
    own = np.array([offsets.get(name, math.inf) for name in categories.tolist()], dtype=np.float64).reshape(len(lower))
    first, last = np.clip(lower - own, *age_range), np.clip(upper + own, *age_range)
    return np.minimum(first, last), np.maximum(first, last)


def halves(groups: ArrayLike, seed: int) -> NDArray[np.bool_]:
    """Divides faces into two halves without dividing a group, [N]: True in the first half.

    Args:
        groups: What ties faces together, [N].
        seed: The same seed and groups give the same halves.
    """
    _, codes, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(sizes))
    first = np.zeros(len(sizes), dtype=bool)
    first[order[np.cumsum(sizes[order]) <= len(codes) / 2]] = True
    return first[codes]
