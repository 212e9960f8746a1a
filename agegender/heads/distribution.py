"""Age as probabilities of whole years: how such heads are read."""

from abc import ABC
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from agegender.heads.base import AgeHead
from agegender.heads.intervals import expectation, median


class DistributionHead(AgeHead, ABC):
    """A head that gives every whole year of the age range a probability; by default the softmax of one output a year."""

    ages: Tensor

    def __init__(self, age_range: Sequence[float], readout: Literal["expectation", "median"], outputs: int) -> None:
        super().__init__(age_range, outputs)
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
