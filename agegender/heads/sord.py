"""SORD: softmax over whole years, trained towards soft ordinal labels."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from agegender.errors import AgeGenderError
from agegender.heads.distribution import DistributionHead
from agegender.heads.intervals import expectation


class SORD(DistributionHead):
    """Softmax over whole years, trained towards soft ordinal labels (SORD).

    - Output: one logit per whole year, [B, A].
    - Prediction: expectation or median of the softmax, in years.
    - Loss of an exact age: KL(target || softmax) with target = softmax(-scale * penalty) over the years. Its gradient is
      the gradient of the cross-entropy with this target. The squared penalty equals DLDL without its expectation term
      and with sigma = sqrt(1 / (2 * scale)).
    - Loss of an interval: the same loss with the age set to the expectation clamped into the interval. No gradient flows
      through this age. This extends the paper.
    - Source: Diaz & Marathe, "Soft labels for ordinal regression", CVPR 2019.

    Args:
        age_range: First and last age in years, both included, such as [0, 116].
        penalty: Penalty of a year in the target: its `absolute` distance from the age in years (as Paplham & Franc, CVPR
            2024) or the `squared` distance.
        scale: Factor of the penalty. A larger scale gives a narrower target.
        readout: Predicted age: `expectation`, or `median`, which minimises the expected absolute error.

    Raises:
        AgeGenderError: `scale` is not positive, or `age_range` is not two increasing whole years.

    Examples:
        >>> import torch
        >>> head = SORD([0, 60], penalty="absolute", scale=1.0)
        >>> output = -(torch.arange(61.0) - 30).abs()[None]  # the target of the age 30
        >>> head.predict(output).round()
        tensor([30.])
        >>> head.loss(output, torch.tensor([30.0]), torch.tensor([30.0])).abs().round(decimals=3)
        tensor([0.])
        >>> head.loss(output, torch.tensor([40.0]), torch.tensor([40.0])).round(decimals=3)
        tensor([9.1490])
        >>> head.loss(output, torch.tensor([25.0]), torch.tensor([35.0])).abs().round(decimals=3)  # 30 is inside
        tensor([0.])
    """

    def __init__(
        self,
        age_range: Sequence[float],
        penalty: Literal["absolute", "squared"] = "absolute",
        scale: float = 1.0,
        readout: Literal["expectation", "median"] = "expectation",
    ) -> None:
        super().__init__(age_range, readout)
        if scale <= 0:
            raise AgeGenderError(f"head.scale must be above 0; got {scale}")
        self.penalty = penalty
        self.scale = scale

    def interval_loss(self, output: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """KL divergence of the softmax from the target, [B]."""
        log_probabilities = self.log_probabilities(output)
        age = expectation(log_probabilities.detach().exp(), self.ages).clamp(low, high)
        penalty = (self.ages - age.unsqueeze(1)).abs()
        if self.penalty == "squared":
            penalty = penalty.square()
        target = (-self.scale * penalty).softmax(dim=1)
        return F.kl_div(log_probabilities, target, reduction="none").sum(dim=1)
