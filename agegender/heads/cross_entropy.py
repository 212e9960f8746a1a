"""Age as one class a year."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from agegender.heads.distribution import DistributionHead
from agegender.heads.intervals import log_probability_inside


class CrossEntropy(DistributionHead):
    """Softmax over years with cross-entropy, read as expectation: DEX (Rothe et al., IJCV 2018).

    With the same network and data, losses made for ages are seldom better than this one (Paplham & Franc, CVPR 2024).
    Ages are completed years, so labels with a fraction of a year are floored. For an interval the loss is minus the
    log of the probability inside it.

    Args:
        age_range: first and last age in years, such as [0, 116].
        readout: the age to predict, `expectation` (as in the paper) or `median` (least expected absolute error).
    """

    def __init__(self, age_range: Sequence[float], readout: Literal["expectation", "median"] = "expectation") -> None:
        super().__init__(age_range, readout)

    def interval_loss(self, output: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Minus the log of the probability inside the interval, [B]."""
        return -log_probability_inside(self.log_probabilities(output), self.ages, low, high)
