"""What a user can choose about the measures of a test."""

from dataclasses import dataclass
from typing import Literal

from agegender.metrics.distributions import LEGAL_AGES
from agegender.metrics.resampling import RESAMPLES


@dataclass(frozen=True)
class Options:
    """Choices about the measures of a test.

    Args:
        legal_ages: Legal ages of an age gate, in years.
        challenge_age: Threshold of the age gate in years: who seems younger must show proof of age.
        target_rate: Highest acceptable share of under-age faces that pass the age gate, in 0..1.
        resamples: Number of bootstrap resamples.
        minimum: Faces that a group needs to be ranked and tested against the others.
        mondrian: Age intervals have their own width for each predicted gender or for each of nine ranges of predicted ages;
            None: one width for all.
    """

    legal_ages: tuple[int, ...] = LEGAL_AGES
    challenge_age: int = 25
    target_rate: float = 0.05
    resamples: int = RESAMPLES
    minimum: int = 30
    mondrian: Literal["gender", "age_band"] | None = None
