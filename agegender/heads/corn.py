"""Age by questions asked one after the other: is a face older than this year, given that it is no younger?"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from agegender.heads.distribution import DistributionHead
from agegender.heads.intervals import log_probability_inside


class CORN(DistributionHead):
    """Conditional ordinal regression, CORN (Shi, Cao & Raschka 2021).

    Output k is the logit of "older than year k" among faces of at least that year. Each face is asked the questions it
    takes part in, those up to its own age; the sum of their binary cross-entropies is minus the log of the probability
    of its age. For an interval the loss is minus the log of the probability inside it: the questions inside count as
    one, whether the face is older than all of it. (Leaving them out instead would put the whole interval's
    probability into its last year.) Labels with a fraction of a year are floored.

    The paper divides a batch's sum by its number of pairs of face and question. Here every face's sum stays as it is, so
    that a loss does not depend on the faces beside it; its mean differs by a factor that is the same for all of a batch.

    The layer's biases start where every year is equally probable (the paper leaves this open): from zero, years beyond the
    first few would be all but impossible.

    Args:
        age_range: first and last age in years, such as [0, 116].
        readout: the age to predict: `median`, within half a year of the paper's rule, which counts the questions that
            are answered yes with a probability above one half; or `expectation`.
    """

    def __init__(self, age_range: Sequence[float], readout: Literal["expectation", "median"] = "median") -> None:
        super().__init__(age_range, readout, questions=True)
        self.layer = nn.LazyLinear(self.outputs, bias=False)
        self.bias = nn.Parameter(torch.arange(self.outputs, 0, -1.0).log())

    def forward(self, features: Tensor) -> Tensor:
        """Map features [B, F] to logits [B, A - 1]."""
        return super().forward(features) + self.bias

    def log_probabilities(self, output: Tensor) -> Tensor:
        """Logarithms of the probabilities of the years, [B, A]: yes to every question before a year, no at it."""
        yes, no = -F.softplus(-output), -F.softplus(output)
        return F.pad(yes.cumsum(dim=1), (1, 0)) + F.pad(no, (0, 1))

    def interval_loss(self, output: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Minus the log of the probability inside the interval, [B]."""
        return -log_probability_inside(self.log_probabilities(output), self.ages, low, high)
