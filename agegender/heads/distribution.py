"""Base class of the heads that predict a probability for each whole year."""

from abc import ABC
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from agegender.heads.base import AgeHead, whole_years
from agegender.heads.intervals import expectation, median


class DistributionHead(AgeHead, ABC):
    """A head that predicts a probability for each whole year of `age_range`.

    By default the head has one logit per year and the probabilities are their softmax.

    Args:
        age_range: First and last age in years, both included, such as [0, 116].
        readout: Predicted age: `expectation` or `median` of the probabilities.
        thresholds: The head has one output per threshold between two years, A - 1 instead of A.

    Raises:
        AgeGenderError: `age_range` is not two increasing whole years.
    """

    ages: Tensor

    def __init__(self, age_range: Sequence[float], readout: Literal["expectation", "median"], thresholds: bool = False) -> None:
        first, last = whole_years(age_range)
        super().__init__(age_range, outputs=last - first + (not thresholds))
        self.readout = readout
        self.register_buffer("ages", torch.arange(self.first_age, self.last_age + 1, dtype=torch.float32), persistent=False)

    def log_probabilities(self, output: Tensor) -> Tensor:
        """Log probability of each whole year, [B, A], from an output in float32."""
        return output.log_softmax(dim=1)

    def distribution(self, output: Tensor) -> Tensor:
        """Probability of each whole year, [B, A]."""
        return self.log_probabilities(self.checked(output)).exp()

    def predict(self, output: Tensor) -> Tensor:
        """Expectation or median of the probabilities in years, [B], as `readout` says."""
        probabilities = self.distribution(output)
        if self.readout == "median":
            return median(probabilities, self.first_age)
        return expectation(probabilities, self.ages)
