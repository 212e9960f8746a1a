"""Mean-variance loss: softmax over whole years, trained towards the right mean and a small variance."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from agegender.errors import AgeGenderError
from agegender.heads.distribution import DistributionHead
from agegender.heads.intervals import distance, expectation, log_probability_inside


class MeanVariance(DistributionHead):
    """Softmax over whole years, trained with the mean-variance loss.

    - Output: one logit per whole year, [B, A].
    - Prediction: expectation (as in the paper) or median of the softmax, in years.
    - Loss of an exact age: cross-entropy + mean_weight / 2 * (expectation - age)^2 + variance_weight * variance.
    - Loss of an interval: the cross-entropy is minus the log of the probability inside the interval, and the squared
      error is the squared distance of the expectation to the interval. This extends the paper.
    - The cross-entropy rounds labels with a fraction of a year down.
    - Source: Pan, Han, Shan & Chen, "Mean-variance loss for deep age estimation from a face", CVPR 2018.

    The squared terms are 100 or more at the start of training, while the gender loss is 0.7. Choose the weights in `balance`
    accordingly.

    Args:
        age_range: First and last age in years, both included, such as [0, 116].
        mean_weight: Weight of half the squared error of the expectation, per square year. The default is the paper's.
        variance_weight: Weight of the variance, per square year. The default is the paper's.
        readout: Predicted age: `expectation`, or `median`, which minimises the expected absolute error.

    Raises:
        AgeGenderError: A weight is negative, or `age_range` is not two increasing whole years.

    Examples:
        >>> import torch
        >>> head = MeanVariance([0, 3], mean_weight=0.2, variance_weight=0.05)
        >>> output = torch.tensor([[0.1, 0.2, 0.3, 0.4]]).log()  # expectation 2 years, variance 1 square year
        >>> head.predict(output).round(decimals=4)
        tensor([2.])
        >>> head.loss(output, torch.tensor([3.0]), torch.tensor([3.0]))  # -log(0.4) + 0.2 / 2 * 1 + 0.05 * 1
        tensor([1.0663])
        >>> head.loss(output, torch.tensor([2.0]), torch.tensor([3.0]))  # -log(0.3 + 0.4) + 0 + 0.05 * 1
        tensor([0.4067])
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
