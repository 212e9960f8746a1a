"""CORN: one conditional binary classifier per threshold "older than year k, given an age of at least k"."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from agegender.heads.distribution import DistributionHead
from agegender.heads.intervals import log_probability_inside


class CORN(DistributionHead):
    """Conditional ordinal regression (CORN).

    - Output: A - 1 logits, [B, A - 1]. Output k is the logit of "older than year k", given an age of at least k.
    - Prediction: median or expectation of the distribution, in years. The median differs by at most half a year from the
      rule of the paper, which counts the thresholds with a (marginal) probability above 0.5.
    - Loss of an exact age: sum of the binary cross-entropies of the thresholds up to the age. This is minus the log of the
      probability of the age.
    - Loss of an interval: minus the log of the probability inside it. This extends the paper. (Masking the thresholds
      inside, as OR-CNN does, would move the probability of the interval into its last year.)
    - Labels with a fraction of a year are rounded down.
    - Source: Shi, Cao & Raschka, "Deep neural networks for rank-consistent ordinal regression based on conditional
      probabilities", 2021 (arXiv 2111.08851).

    Differences from the paper:

    - The paper divides the sum over a batch by the number of pairs of face and threshold. Here the loss of a face is its
      own sum, so it does not depend on the other faces of the batch. The two differ by one factor per batch.
    - The biases start at values that make all years equally probable; the paper does not define a start. Biases of zero
      would give years above the first few a probability near 0.

    Args:
        age_range: First and last age in years, both included, such as [0, 116].
        readout: Predicted age: `median` or `expectation`.

    Raises:
        AgeGenderError: `age_range` is not two increasing whole years.

    Examples:
        >>> import torch
        >>> head = CORN([0, 3], readout="expectation")
        >>> output = torch.tensor([[0.9, 0.8, 0.5]]).logit()  # older than 0; than 1 if at least 1; than 2 if at least 2
        >>> head.distribution(output)
        tensor([[0.1000, 0.1800, 0.3600, 0.3600]])
        >>> head.predict(output)
        tensor([1.9800])
        >>> head.loss(output, torch.tensor([2.0]), torch.tensor([2.0]))  # -log(0.36)
        tensor([1.0217])
        >>> head.loss(output, torch.tensor([2.0]), torch.tensor([3.0]))  # -log(0.36 + 0.36)
        tensor([0.3285])
    """

    def __init__(self, age_range: Sequence[float], readout: Literal["expectation", "median"] = "median") -> None:
        super().__init__(age_range, readout, thresholds=True)
        self.layer = nn.LazyLinear(self.outputs, bias=False)
        self.bias = nn.Parameter(torch.arange(self.outputs, 0, -1.0).log())

    def forward(self, features: Tensor) -> Tensor:
        """Map features [B, F] to logits [B, A - 1]."""
        return super().forward(features) + self.bias

    def log_probabilities(self, output: Tensor) -> Tensor:
        """Log probability of each whole year k, [B, A]: older than every year below k, and not older than k."""
        older, not_older = -F.softplus(-output), -F.softplus(output)
        return F.pad(older.cumsum(dim=1), (1, 0)) + F.pad(not_older, (0, 1))

    def interval_loss(self, output: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Minus the log of the probability inside the interval, [B]."""
        return -log_probability_inside(self.log_probabilities(output), self.ages, low, high)
