"""Whether probabilities of gender are as often right as they say: reliability, ECE and temperature scaling."""

import numpy as np
from numpy.typing import NDArray

from agegender.metrics.statistic import Floats, ratio

BINS = 15
COLDEST, HOTTEST = 0.05, 20.0  # a temperature at an end means that the faces do not determine it
_SMALLEST = 1e-7  # probabilities of 0 and 1 have no logit


def reliability(female: Floats, labelled: NDArray[np.bool_], bins: int = BINS) -> list[dict[str, float | int | None]]:
    """Predicted and labelled share of female in equal bins of the predicted probability.

    Args:
        female: Predicted probability, [N].
        labelled: Whether the label is female, [N].
        bins: Number of bins of 0..1; a probability on an edge is in the lower bin.

    Returns:
        For each bin ``low``, ``high``, ``n``, and the means ``predicted`` and ``labelled``, None in an empty bin.
    """
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, female) - 1, 0, bins - 1)
    n = np.bincount(place, minlength=bins)
    means = [ratio(np.bincount(place, weights=values, minlength=bins), n) for values in (female, labelled.astype(float))]
    return [
        {
            "low": float(edges[i]), "high": float(edges[i + 1]), "n": int(n[i]),
            **{key: float(mean[i]) if n[i] else None for key, mean in zip(("predicted", "labelled"), means, strict=True)},
        }
        for i in range(bins)
    ]  # fmt: skip


def calibration_error(female: Floats, labelled: NDArray[np.bool_], bins: int = BINS) -> float:
    """Expected calibration error: mean distance of predicted and labelled share over the bins (Naeini et al., 2015).

    Args:
        female: Predicted probability, [N] with N > 0.
        labelled: Whether the label is female, [N].
        bins: Number of equal bins of 0..1.
    """
    rows = [row for row in reliability(female, labelled, bins) if row["n"]]
    return float(sum(row["n"] * abs(row["predicted"] - row["labelled"]) for row in rows)) / len(female)  # type: ignore[operator]


def log_loss(female: Floats, labelled: NDArray[np.bool_]) -> float:
    """Mean negative log likelihood of the labels.

    Args:
        female: Predicted probability, [N] with N > 0.
        labelled: Whether the label is female, [N].
    """
    return _loss(_logit(female), labelled)


def scaled(female: Floats, temperature: float) -> Floats:
    """Probabilities at another temperature, [N]: above 1 they are nearer to one half; 0.5 stays (Guo et al., 2017)."""
    return 1 / (1 + np.exp(-_logit(female) / temperature))


def temperature(female: Floats, labelled: NDArray[np.bool_]) -> float:
    """The temperature with the smallest log loss, between 0.05 and 20 (Guo et al., 2017).

    Args:
        female: Predicted probability, [N] with N > 0.
        labelled: Whether the label is female, [N].
    """
    logit = _logit(female)
    # The loss is convex in 1 / temperature, so its derivative changes sign once: bisection.
    coldest, hottest = 1 / COLDEST, 1 / HOTTEST
    low, high = hottest, coldest
    for _ in range(60):
        middle = (low + high) / 2
        slope = float(np.mean(logit * (1 / (1 + np.exp(-logit * middle)) - labelled)))
        low, high = (middle, high) if slope < 0 else (low, middle)
    return 2 / (low + high)


def _logit(female: Floats) -> Floats:
    inside = np.clip(female.astype(np.float64), _SMALLEST, 1 - _SMALLEST)
    return np.log(inside) - np.log1p(-inside)


def _loss(logit: Floats, labelled: NDArray[np.bool_]) -> float:
    return float(np.mean(np.logaddexp(0, np.where(labelled, -logit, logit))))
