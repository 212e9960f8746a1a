"""Selective prediction: the error among the faces that the model is surest of, if it may abstain on the others."""

import numpy as np

from agegender.metrics.statistic import Floats

COVERAGES = tuple(round(0.05 * step, 2) for step in range(1, 21))


def risk_at_coverage(losses: Floats, uncertainty: Floats) -> Floats:
    """Mean loss of the k surest faces for k = 1..N, [N] (Geifman and El-Yaniv, 2017).

    Faces with the same uncertainty share their mean loss, so their order does not matter.

    Args:
        losses: Loss of each face, [N].
        uncertainty: Larger for a less sure face, [N].
    """
    order = np.argsort(uncertainty, kind="stable")
    ordered, sorted_losses = uncertainty[order], losses[order].astype(np.float64)
    starts = np.flatnonzero(np.diff(ordered, prepend=-np.inf))
    sizes = np.diff(np.append(starts, len(ordered)))
    shared = np.repeat(np.add.reduceat(sorted_losses, starts) / sizes, sizes)
    return np.cumsum(shared) / np.arange(1, len(shared) + 1)


def curve(losses: Floats, uncertainty: Floats) -> dict[str, object]:
    """Risk at coverages of 5% to 100%, and ``aurc``, the mean risk over all coverages.

    Args:
        losses: Loss of each face, [N] with N > 0.
        uncertainty: Larger for a less sure face, [N].
    """
    risk = risk_at_coverage(losses, uncertainty)
    at = [float(risk[max(1, round(share * len(risk))) - 1]) for share in COVERAGES]
    return {"coverage": list(COVERAGES), "risk": at, "aurc": float(risk.mean())}
