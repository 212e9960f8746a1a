"""Age as probabilities of whole years: how such heads are read."""

from abc import ABC
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from agegender.heads.base import AgeHead, whole_years
from agegender.heads.intervals import expectation, median


class DistributionHead(AgeHead, ABC):
    """A head that gives every whole year of the age range a probability; by default the softmax of one output a year.

    Args:
        age_range: first and last age in years, such as [0, 116].
        readout: the age to predict.
        questions: one output less than there are years, each about a year and the next.
    """

    ages: Tensor

    def __init__(self, age_range: Sequence[float], readout: Literal["expectation", "median"], questions: bool = False) -> None:
        first, last = whole_years(age_range)
        super().__init__(age_range, outputs=last - first + (not questions))
        self.readout = readout
        self.register_buffer("ages", torch.arange(self.first_age, self.last_age + 1, dtype=torch.float32), persistent=False)

    def log_probabilities(self, output: Tensor) -> Tensor:
        """Logarithms of the probabilities of the years, [B, A], of an output in float32."""
        return output.log_softmax(dim=1)

    def distribution(self, output: Tensor) -> Tensor:
        """Probabilities of whole years, [B, A]."""
        return self.log_probabilities(self.checked(output)).exp()

    def predict(self, output: Tensor) -> Tensor:
        """Age in years by the chosen read-out, [B]."""
        probabilities = self.distribution(output)
        if self.readout == "median":
            return median(probabilities, self.first_age)
        return expectation(probabilities, self.ages)
