"""How sure a model may be: age intervals, scores of age distributions, calibration of gender, selective prediction."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agegender.evaluation.measured_faces import MeasuredFaces
from agegender.evaluation.numbers import interval, plain
from agegender.evaluation.options import Options
from agegender.metrics import age, gender
from agegender.metrics.calibration import SCHEMA, categories, saved
from agegender.metrics.conformal import extended, halves, nonconformity, offsets
from agegender.metrics.distributions import ENDS, LEVELS, pit_histogram
from agegender.metrics.gate import rates
from agegender.metrics.predictions import Predictions
from agegender.metrics.reliability import calibration_error, log_loss, reliability, scaled, temperature
from agegender.metrics.selective import curve
from agegender.metrics.statistic import Floats

FEWEST = 20  # faces with a label from which a calibration is fitted
KINDS = ("gender", "race", "age_band")
SELECTED = "the model was selected on these faces, so intervals calibrated on them would have no guarantee"


class Uncertainty:
    """Fits a calibration on two halves of the tested faces, measures each on the other half, and fits one on all of them.

    No group (copies, one person) is in both halves. The measured coverage is that of a calibration on half of the faces.

    Args:
        tested: N faces.
        options: Whether age intervals have a width for each predicted gender or age.
        age_range: First and last age in years.
        seed: Of the halves.
        selected: The model was selected on these faces.
    """

    def __init__(
        self, tested: MeasuredFaces, options: Options, age_range: tuple[float, float], seed: int, selected: bool = False
    ) -> None:
        self.faces, self.predictions, self.draws = tested.frame, tested.predictions, tested.draws
        self.groups = [one for one in tested.groupings if one.kind in KINDS]
        self.mondrian, self.age_range = options.mondrian, age_range
        self.first = halves(tested.tied, seed)
        self.selected = selected

    def metrics(self) -> dict[str, Any]:
        """The section ``uncertainty`` of ``metrics.json``: what was measured by cross-fitting."""
        return {
            "age": self._age[0],
            "distribution": self._distribution(),
            "gender": self._gender[0],
            "selective": {"age": self._selective_age(), "gender": self._selective_gender()},
        }

    def calibration(self, split: str) -> dict[str, Any]:
        """The content of ``calibration.json``: what was fitted on all faces.

        Args:
            split: The tested split.
        """
        return {
            "schema": SCHEMA, "split": split, "age_range": list(self.age_range), "age": self._age[1], "gender": self._gender[1]
        }  # fmt: skip

    @cached_property
    def _age(self) -> tuple[dict[str, Any], dict[str, Any]]:
        labelled = age.labelled(self.predictions)
        if reason := self._no_intervals(int(labelled.sum())):
            return {"n": int(labelled.sum()), "levels": {}, "reason": reason}, {"reason": reason}
        rows = np.flatnonzero(labelled)
        measured, fitted = {}, {}
        for level in LEVELS:
            ends = {"conformal": (self.predictions.age, self.predictions.age)}
            if set(ENDS[level]) <= set(self.faces.columns):
                lower, upper = (self.faces[name].to_numpy(float) for name in ENDS[level])
                ends["quantile"] = (lower, upper)
            methods = {name: self._cross_fitted(level, *own, rows) for name, own in ends.items()}
            own_groups = {
                one.kind: {
                    name: self._coverage(*methods["conformal"][:2], cell[labelled[cell]])
                    for name, cell in zip(one.names, one.cells, strict=True)
                }
                for one in self.groups
            }
            described = {name: self._described(covered, width, rows) for name, (covered, width, _) in methods.items()}
            measured[str(level)] = {"quantile": None, **described, "by_group": own_groups}
            fitted[str(level)] = {
                **{name: fit for name, (_, _, fit) in methods.items()},
                "coverage": {name: one["coverage"] for name, one in described.items()},
                "width": {name: one["width"] for name, one in described.items()},
            }
        n = len(rows)
        return (
            {"n": n, "n_groups": self.draws.sets(rows), "mondrian": self.mondrian, "levels": measured, "reason": None},
            {"n": n, "mondrian": self.mondrian, "levels": fitted},
        )

    def _no_intervals(self, n: int) -> str | None:
        if self.predictions.age is None:
            return "the model does not predict age"
        if self.selected:
            return SELECTED
        if self.mondrian == "gender" and self.predictions.female is None:
            return "mondrian=gender: the model does not predict gender"
        return f"only {n} faces have an age label; at least {FEWEST} are needed" if n < FEWEST else None

    def _cross_fitted(self, level: int, lower: Floats, upper: Floats, rows: NDArray[np.int64]) -> tuple[Floats, Floats, Any]:
        """Whether the interval of each face contains its label, its width in years, both [N], and the offsets of all faces."""
        faces = self.predictions
        scores = nonconformity(lower, upper, faces.age_low, faces.age_high)
        kinds = categories(self.mondrian, faces.age, faces.female)
        covered, width = np.full(len(faces), np.nan), np.full(len(faces), np.nan)
        for half in (self.first, ~self.first):
            fit, test = rows[half[rows]], rows[~half[rows]]
            first, last = extended(
                lower[test], upper[test], offsets(scores[fit], kinds[fit], level), kinds[test], self.age_range
            )
            covered[test] = (first <= faces.age_low[test]) & (faces.age_high[test] <= last)
            width[test] = last - first
        return covered, width, saved(offsets(scores[rows], kinds[rows], level))

    def _described(self, covered: Floats, width: Floats, rows: NDArray[np.int64]) -> dict[str, Any]:
        measured = rates(covered[rows, None] == 1, rows, self.draws)
        return {
            "coverage": plain(measured.rate[0]),
            "coverage_ci95": interval(measured.interval[0]),
            "width": float(width[rows].mean()),
            "median_width": float(np.median(width[rows])),
        }

    def _coverage(self, covered: Floats, width: Floats, cell: NDArray[np.int64]) -> dict[str, Any]:
        if not len(cell):
            return {"n": 0, "coverage": None, "width": None}
        return {"n": len(cell), "coverage": float(covered[cell].mean()), "width": float(width[cell].mean())}

    def _distribution(self) -> dict[str, Any] | None:
        """PIT of the predicted age distributions; the CRPS is a metric of the registry."""
        if "age_pit_low" not in self.faces:
            return None
        low, high = (self.faces[name].to_numpy(float) for name in ("age_pit_low", "age_pit_high"))
        known = ~np.isnan(low)
        if not known.any():
            return None
        share = pit_histogram(low[known], high[known])
        return {"n": int(known.sum()), "pit": {"edges": plain(np.linspace(0, 1, len(share) + 1)), "share": plain(share)}}

    @cached_property
    def _gender(self) -> tuple[dict[str, Any], dict[str, Any]]:
        if self.predictions.female is None:
            reason = "the model does not predict gender"
            return {"reason": reason}, {"reason": reason}
        rows = np.flatnonzero(gender.labelled(self.predictions))
        female, labelled = self.predictions.female[rows].astype(float), self.predictions.gender[rows] == 1
        first = self.first[rows]
        if min((labelled[half] == value).sum() for half in (first, ~first) for value in (False, True)) < FEWEST / 4:
            reason = f"fewer than {FEWEST // 4} faces of a gender in a half of the faces: {len(rows)} are labelled"
            return {"n": len(rows), "reason": reason}, {"reason": reason}
        crossed = female.copy()
        for half in (first, ~first):
            crossed[~half] = scaled(female[~half], temperature(female[half], labelled[half]))
        fitted = 1.0 if self.selected else temperature(female, labelled)
        measured = {
            "n": len(rows),
            "temperature": fitted,
            "ece": calibration_error(female, labelled),
            "ece_scaled": calibration_error(crossed, labelled),
            "nll": log_loss(female, labelled),
            "nll_scaled": log_loss(crossed, labelled),
            "reliability": reliability(female, labelled),
            "reliability_scaled": reliability(crossed, labelled),
            "reason": None,
        }
        return measured, {"reason": SELECTED} if self.selected else {"n": len(rows), "temperature": fitted}

    def _selective_age(self) -> dict[str, Any] | None:
        lower, upper = ENDS[80]
        if self.predictions.age is None or lower not in self.faces:
            return None
        spread = (self.faces[upper] - self.faces[lower]).to_numpy(float)
        return _selective(age.labelled(self.predictions), age.distance, self.predictions, spread, "width of the central 80%")

    def _selective_gender(self) -> dict[str, Any] | None:
        if self.predictions.female is None:
            return None
        doubt = -np.abs(self.predictions.female - 0.5)
        return _selective(gender.labelled(self.predictions), gender.wrong, self.predictions, doubt, "probability of gender")


def _selective(
    labelled: NDArray[np.bool_],
    loss: Callable[[Predictions], NDArray[Any]],
    faces: Predictions,
    uncertainty: Floats,
    by: str,
) -> dict[str, Any] | None:
    return {"by": by, **curve(loss(faces[labelled]), uncertainty[labelled])} if labelled.any() else None
