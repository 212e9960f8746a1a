"""How well predicted ages keep the under-age out, as NIST reports it (FATE AEV, NIST IR 8525, 2024)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agegender.evaluation.groupings import Grouping
from agegender.evaluation.measured_faces import MeasuredFaces
from agegender.evaluation.numbers import interval, plain
from agegender.evaluation.options import Options
from agegender.metrics.age import exact, labelled
from agegender.metrics.gate import BANDS, first_below, inside, of_age, rates, under
from agegender.metrics.predictions import Predictions
from agegender.metrics.resampling import Draws

STATEMENT = (
    "Age estimation alone does not suffice where the law asks for age verification: some under-age faces pass at every "
    "threshold. Rates are of these faces under these conditions; other cameras, poses and populations have others."
)
STEPS = 25  # years above the legal age up to which the threshold is raised
PROBABILITIES = (0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02, 0.01, 0.005, 0.002, 0.001)
CHILDREN = (13, 16)  # first and last year of those whom a gate for children lets pass
BESIDE = ("8-12", "17-22")  # bands of those whom it must not let pass
Cell = NDArray[np.int64]


def age_gate(tested: MeasuredFaces, options: Options) -> dict[str, Any] | None:
    """Rates of an age gate, with 95% intervals, by age and by ``gender``, ``race`` and ``race_gender``.

    Args:
        tested: The faces. With ``probability_under_AGE``, the gate on this probability is measured, too.
        options: Legal ages, challenge age and target rate.

    Returns:
        The section ``age_gate`` of ``metrics.json``; None if no age was predicted.
    """
    if tested.predictions.age is None:
        return None
    return {
        "statement": STATEMENT,
        "challenge_age": options.challenge_age,
        "target_rate": options.target_rate,
        "legal_ages": {str(age): _legal_age(age, tested, options) for age in options.legal_ages},
        "child_access": _child_access(tested.predictions, tested.draws),
    }


def _legal_age(legal: int, tested: MeasuredFaces, options: Options) -> dict[str, Any]:
    faces, draws, column = tested.predictions, tested.draws, f"probability_under_{legal}"
    too_young, old_enough, known = under(faces, legal), of_age(faces, legal), labelled(faces)
    sides = np.flatnonzero(too_young), np.flatnonzero(old_enough)
    ages = [float(age) for age in range(legal, legal + STEPS + 1)]
    estimate = _curve(ages, faces.age[:, None] >= np.array(ages), *sides, draws, options.target_rate)
    probability = None
    if column in tested.frame:
        passed = tested.frame[column].to_numpy(float)[:, None] <= np.array(PROBABILITIES)
        probability = _curve(list(PROBABILITIES), passed, *sides, draws, options.target_rate)
    groups = _under_age(legal, faces, tested.groupings)
    return {
        "n_under": int(too_young.sum()),
        "n_of_age": int(old_enough.sum()),
        "n_straddling": int((known & ~too_young & ~old_enough).sum()),
        "n_unlabelled": int((~known).sum()),
        "estimate": estimate,
        "probability": probability,
        "at": [
            _row(threshold, kind, name, cell, faces.age[cell] >= threshold, draws)
            for threshold in dict.fromkeys((float(legal), float(options.challenge_age)))
            for kind, name, cell in groups
        ],
    }


def _under_age(legal: int, predictions: Predictions, groups: Sequence[Grouping]) -> list[tuple[str, str, Cell]]:
    """Kind, name and indices of groups of under-age faces."""
    young = under(predictions, legal)
    cells = [("all", f"under {legal}", young)]
    cells += [("age_band", name, young & inside(predictions, *band)) for name, band in BANDS.items() if band[0] < legal]
    cells += [("age", str(age), exact(predictions) & inside(predictions, age, age + 0.999)) for age in range(8, legal)]
    found = [(kind, name, np.flatnonzero(mask)) for kind, name, mask in cells]
    by_kind = {one.kind: one for one in groups}
    for kind in ("gender", "race", "race_gender"):
        own = by_kind[kind]
        found += [(kind, name, cell[young[cell]]) for name, cell in zip(own.names, own.cells, strict=True)]
    return found


def _row(threshold: float | None, kind: str, name: str, cell: Cell, passed: NDArray[np.bool_], draws: Draws) -> dict[str, Any]:
    measured = rates(passed[:, None], cell, draws)
    return {
        "threshold": threshold,
        "kind": kind,
        "group": name,
        "n": len(cell),
        "passed": int(passed.sum()),
        "rate": plain(measured.rate[0]),
        "ci95": interval(measured.interval[0]),
    }


def _curve(
    thresholds: list[float], passed: NDArray[np.bool_], too_young: Cell, old_enough: Cell, draws: Draws, target: float
) -> dict[str, Any]:
    """The trade-off over thresholds, from the mildest to the strictest, and the mildest one that meets the target."""
    wrong = rates(passed[too_young], too_young, draws)
    refused = rates(~passed[old_enough], old_enough, draws)
    curve = {
        "thresholds": thresholds,
        "false_positive_rate": plain(wrong.rate),
        "false_positive_rate_ci95": [interval(ends) for ends in wrong.interval],
        "refused_rate": plain(refused.rate),
        "refused_rate_ci95": [interval(ends) for ends in refused.interval],
        "smallest": None,
        "reason": None,
    }
    if not len(too_young):
        return curve | {"reason": "no face with a label below the legal age"}
    place = int(first_below(wrong.rate, target))
    if place == len(thresholds):
        return curve | {"reason": f"more than {target:.1%} of the under-age faces pass at every measured threshold"}
    drawn = first_below(wrong.drawn[~np.isnan(wrong.drawn).any(axis=1)], target)
    ends = np.percentile(drawn, [2.5, 97.5], method="closest_observation").astype(int)
    return curve | {
        "smallest": {
            "threshold": thresholds[place],
            "ci95": [thresholds[end] if end < len(thresholds) else None for end in ends],
            "false_positive_rate": plain(wrong.rate[place]),
            "refused_rate": plain(refused.rate[place]),
        }
    }


def _child_access(predictions: Predictions, draws: Draws) -> dict[str, Any]:
    """Who passes a gate for children: those of its ages rightly, those of the bands beside it wrongly."""
    first, last = CHILDREN
    passed = (predictions.age >= first) & (predictions.age < last + 1)
    groups = [("age", str(age), exact(predictions) & inside(predictions, age, age + 0.999)) for age in range(first, last + 1)]
    bands = (f"{first}-{last}", *BESIDE)
    groups += [("age_band", name, inside(predictions, *BANDS[name])) for name in bands]
    cells = [(kind, name, np.flatnonzero(mask)) for kind, name, mask in groups]
    return {
        "from": first,
        "to": last,
        "rows": [_row(None, kind, name, cell, passed[cell], draws) for kind, name, cell in cells],
    }
