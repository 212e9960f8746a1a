"""Age as a distribution over years, trained to be right on average and narrow."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from agegender.errors import AgeGenderError
from agegender.heads.distribution import DistributionHead
from agegender.heads.intervals import distance, expectation, log_probability_inside


class MeanVariance(DistributionHead):
    """Softmax over years with the mean-variance loss (Pan et al., CVPR 2018).

    The loss is cross-entropy + mean_weight / 2 * (expectation - age)^2 + variance_weight * variance. For an interval the
    cross-entropy is minus the log of the probability inside it, and the mean term aims at the expectation clamped into
    it. The cross-entropy floors labels with a fraction of a year.

    Args:
        age_range: first and last age in years, such as [0, 116].
        mean_weight: weight of half the squared error of the expectation, per square year.
        variance_weight: weight of the variance, per square year. Both defaults are the paper's. Squares of years
            are large at first, 100 and more, and drown a gender loss beside them unless `balance` weighs it.
        readout: the age to predict, `expectation` (as in the paper) or `median` (least expected absolute error).

    Raises:
        AgeGenderError: if a weight is negative.
    """

    def __init__(
        self,
        age_range: Sequence[float],
        mean_weight: float = 0.2,
        variance_weight: float = 0.05,
        readout: Literal["expectation", "median"] = "expectation",
    ) -> None:
        super().__init__(age_range, readout)
        if mean_weight < 0 or variance_weight < 0:
            raise AgeGenderError(
                f"head.mean_weight and head.variance_weight must be at least 0; got {mean_weight} and {variance_weight}"
            )
        self.mean_weight = mean_weight
        self.variance_weight = variance_weight

    def interval_loss(self, output: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Cross-entropy plus the weighted mean and variance terms, [B]."""
        log_probabilities = self.log_probabilities(output)
        probabilities = log_probabilities.exp()
        expected = expectation(probabilities, self.ages)
        variance = (probabilities * (self.ages - expected.unsqueeze(1)).square()).sum(dim=1)
        inside = log_probability_inside(log_probabilities, self.ages, low, high)
        off = distance(expected, low, high)
        return -inside + self.mean_weight * off.square() / 2 + self.variance_weight * variance
