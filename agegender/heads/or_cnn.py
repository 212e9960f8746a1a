"""OR-CNN: one independent binary classifier per threshold "older than year k"."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from agegender.heads.distribution import DistributionHead


class ORCNN(DistributionHead):
    """Ordinal regression with one independent binary classifier per threshold (OR-CNN).

    - Output: A - 1 logits, [B, A - 1]. Output k is the logit of "older than year k".
    - Prediction: median or expectation of the distribution, in years. The median differs by at most half a year from the
      rule of the paper, which counts the thresholds with a probability above 0.5.
    - Loss of an exact age: sum of the binary cross-entropies of all thresholds, all with weight 1.
    - Loss of an interval: the thresholds inside the interval are masked, because the label does not determine them. A
      threshold that all labels mask is never trained, so include some exact ages. This extends the paper.
    - Labels with a fraction of a year are rounded down.
    - Source: Niu, Zhou, Wang, Gao & Hua, "Ordinal regression with multiple output CNN for age estimation", CVPR 2016.

    The classifiers are independent, so "older than 31" can be more probable than "older than 30". `distribution` sorts the
    probabilities in descending order first. Sorting changes neither their sum nor the number of them above 0.5.

    The loss is a sum over thresholds: about 80 at the start of training with 116 thresholds, while the gender loss is 0.7.
    Choose the weights in `balance` accordingly.

    Args:
        age_range: First and last age in years, both included, such as [0, 116].
        readout: Predicted age: `median` or `expectation`.

    Raises:
        AgeGenderError: `age_range` is not two increasing whole years.

    Examples:
        >>> import torch
        >>> head = ORCNN([0, 3], readout="expectation")
        >>> output = torch.tensor([[0.9, 0.8, 0.4]]).logit()  # older than 0, older than 1, older than 2
        >>> head.distribution(output)
        tensor([[0.1000, 0.1000, 0.4000, 0.4000]])
        >>> head.predict(output)
        tensor([2.1000])
        >>> head.loss(output, torch.tensor([2.0]), torch.tensor([2.0]))  # -log(0.9 * 0.8 * (1 - 0.4))
        tensor([0.8393])
        >>> head.loss(output, torch.tensor([2.0]), torch.tensor([3.0]))  # "older than 2" is masked: -log(0.9 * 0.8)
        tensor([0.3285])
    """

    def __init__(self, age_range: Sequence[float], readout: Literal["expectation", "median"] = "median") -> None:
        super().__init__(age_range, readout, thresholds=True)

    def interval_loss(self, output: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Sum of the binary cross-entropies of the thresholds outside the interval, [B]."""
        low, high = low.floor().unsqueeze(1), high.floor().unsqueeze(1)
        older, not_older = low > self.ages[:-1], high <= self.ages[:-1]
        errors = F.binary_cross_entropy_with_logits(output, older.to(output.dtype), reduction="none")
        return (errors * (older | not_older)).sum(dim=1)

    def distribution(self, output: Tensor) -> Tensor:
        """Probability of each whole year, [B, A]: differences of the sorted threshold probabilities."""
        older = self.checked(output).sigmoid().sort(dim=1, descending=True).values
        return F.pad(older, (1, 0), value=1.0) - F.pad(older, (0, 1))
