"""The verdict of an age gate on a face, with the error rates that were measured when the model was tested."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from agegender.errors import AgeGenderError
from agegender.inference.bundle import METRICS, reading
from agegender.inference.predictor import Face

STATEMENT = (
    "Age estimation alone does not suffice where the law asks for age verification. The error rates are those of the cropped "
    "faces of the test; other cameras, poses and populations have others."
)
PASSES, PROOF = "passes", "proof of age needed"
YOUTHS = "14-17"  # years; the band next below 18, as NIST reports it
Share = tuple[float, tuple[float, float] | None]


@dataclass(frozen=True)
class AgeGate:
    """Lets a face pass that looks old enough, and asks the others for proof of age.

    Attributes:
        legal_age: Years from which on a person may pass.
        challenge_age: A face passes if its estimated age is at least this many years.
        under: Number of tested faces below the legal age.
        of_age: Number of tested faces of the legal age or older.
        false_pass: Share of the faces below the legal age that passed, 0..1, and its 95% interval.
        false_challenge: Share of the faces of age that did not pass, 0..1, and its 95% interval.
        youths: Number of tested faces from 14 to 17 years and the share that passed; None if it was not measured.
    """

    legal_age: int
    challenge_age: int
    under: int
    of_age: int
    false_pass: Share
    false_challenge: Share
    youths: tuple[int, Share] | None

    @classmethod
    @reading(METRICS)
    def measured(cls, metrics: Mapping[str, Any] | None, legal_age: int, challenge_age: int | None = None) -> Self:
        """The gate with the error rates of a test.

        Args:
            metrics: Content of the ``metrics.json`` of the model's test; None if there is none.
            legal_age: Years.
            challenge_age: Years; None: that of the test, 25 by default.

        Raises:
            AgeGenderError: The test did not measure this gate, or had no exact ages to measure it with, or the metrics cannot
                be used.
        """
        gate = _gate(metrics)
        ages = gate["legal_ages"]
        if str(legal_age) not in ages:
            raise AgeGenderError(
                f"--age-gate {legal_age}: error rates were measured for the legal ages {', '.join(ages)} only; measure them "
                f"with python -m agegender.evaluate checkpoint=RUN_DIR legal_age=[{legal_age}]"
            )
        found = ages[str(legal_age)]
        exact = sum(row["n"] for row in found["at"] if row["kind"] == "age")
        if not exact or not found["n_of_age"]:
            raise AgeGenderError(
                f"--age-gate {legal_age}: refused: the test had no faces with exact ages below {legal_age} years, or none of "
                "age, so the error rates of a verdict are unknown"
            )
        challenge = int(gate["challenge_age"]) if challenge_age is None else challenge_age
        curve = found["estimate"]
        if challenge not in curve["thresholds"]:
            first, last = curve["thresholds"][0], curve["thresholds"][-1]
            raise AgeGenderError(f"--challenge {challenge}: error rates were measured for {first:g} to {last:g} years only")
        at = curve["thresholds"].index(challenge)
        wrong, asked = (
            (float(curve[name][at]), _interval(curve[f"{name}_ci95"][at])) for name in ("false_positive_rate", "refused_rate")
        )
        return cls(
            legal_age, challenge, found["n_under"], found["n_of_age"], wrong, asked,
            _youths(found["at"], challenge) if legal_age >= 18 else None,
        )  # fmt: skip

    def verdict(self, face: Face) -> str:
        """``passes`` or ``proof of age needed``."""
        return PASSES if face.age is not None and face.age >= self.challenge_age else PROOF

    def explained(self, face: Face) -> str:
        """The verdict with the measured rate of its error."""
        if self.verdict(face) == PASSES:
            return f"{PASSES} ({self.false_pass[0]:.1%} of faces under {self.legal_age} pass)"
        return f"{PROOF} (asked of {self.false_challenge[0]:.1%} of faces of {self.legal_age} and older)"

    def summary(self) -> list[str]:
        """Lines with the rule, its measured error rates and what they do not cover."""
        lines = [
            f"age gate {self.legal_age}: a face passes if its estimated age is at least {self.challenge_age} years",
            f"  wrongly passed: {_text(self.false_pass)} of {self.under} test faces under {self.legal_age}",
            f"  asked for proof: {_text(self.false_challenge)} of {self.of_age} test faces of {self.legal_age} and older",
        ]
        if self.youths is not None:
            number, share = self.youths
            lines.insert(2, f"  wrongly passed: {_text(share)} of {number} test faces from 14 to 17 years")
        return [*lines, STATEMENT]


def _gate(metrics: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The section ``age_gate`` of the tested split."""
    gate = None if metrics is None else (metrics.get(str(metrics.get("tested"))) or {}).get("age_gate")
    if gate is None:
        raise AgeGenderError(
            "--age-gate: refused: the error rates of this model were not measured; measure them with "
            "python -m agegender.evaluate checkpoint=RUN_DIR"
        )
    if metrics is not None and metrics["tested"] != "test":
        raise AgeGenderError(
            f"--age-gate: refused: the error rates were measured on the {metrics['tested']} split, on which the model was "
            "selected, so they are too low"
        )
    return gate


def _youths(rows: list[Mapping[str, Any]], challenge: int) -> tuple[int, Share] | None:
    for row in rows:
        if row["kind"] == "age_band" and row["group"] == YOUTHS and row["threshold"] == challenge and row["n"]:
            return int(row["n"]), (float(row["rate"]), _interval(row["ci95"]))
    return None


def _interval(ends: Any) -> tuple[float, float] | None:
    return None if ends is None else (float(ends[0]), float(ends[1]))


def _text(share: Share) -> str:
    value, ends = share
    return f"{value:.1%}" + ("" if ends is None else f" (95% interval {ends[0]:.1%} to {ends[1]:.1%})")
