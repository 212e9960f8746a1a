"""Age as a distribution over years, trained to fall off with the distance from the label."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from agegender.errors import AgeGenderError
from agegender.heads.distribution import DistributionHead
from agegender.heads.intervals import expectation


class SORD(DistributionHead):
    """Soft ordinal labels, SORD (Diaz & Marathe, CVPR 2019).

    The loss is KL(target || softmax) with target = softmax(-scale * penalty) over the years, whose gradient is that of the
    cross-entropy with this target. With the squared penalty it is DLDL with sigma = sqrt(1 / (2 scale)). For an
    interval, the age is the prediction's own expectation clamped into it (and held constant).

    Args:
        age_range: first and last age in years, such as [0, 116].
        penalty: of a year in the target: its distance from the age (as Paplham & Franc, CVPR 2024) or that squared.
        scale: factor of the penalty; larger is narrower.
        readout: the age to predict, `expectation` or `median` (least expected absolute error).

    Raises:
        AgeGenderError: if `scale` is not positive.
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
        """KL divergence from the target, [B]."""
        log_probabilities = self.log_probabilities(output)
        age = expectation(log_probabilities.detach().exp(), self.ages).clamp(low, high)
        penalty = (self.ages - age.unsqueeze(1)).abs()
        if self.penalty == "squared":
            penalty = penalty.square()
        target = (-self.scale * penalty).softmax(dim=1)
        return F.kl_div(log_probabilities, target, reduction="none").sum(dim=1)
