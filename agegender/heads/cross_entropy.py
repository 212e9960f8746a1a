"""DEX: softmax over whole years with cross-entropy."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from agegender.heads.distribution import DistributionHead
from agegender.heads.intervals import log_probability_inside


class CrossEntropy(DistributionHead):
    """Softmax over whole years, trained with cross-entropy (DEX).

    - Output: one logit per whole year, [B, A].
    - Prediction: expectation (as in the paper) or median of the softmax, in years.
    - Loss of an exact age: cross-entropy with the year as the class.
    - Loss of an interval: minus the log of the probability inside it. This extends the paper.
    - Labels with a fraction of a year are rounded down, because ages are completed years.
    - Source: Rothe, Timofte & Van Gool, "Deep expectation of real and apparent age from a single image without facial
      landmarks", IJCV 2018. With the same network and data, losses designed for age are rarely better than this one
      (Paplham & Franc, "A call to reflect on evaluation practices for age estimation", CVPR 2024).

    Args:
        age_range: First and last age in years, both included, such as [0, 116].
        readout: Predicted age: `expectation`, or `median`, which minimises the expected absolute error.

    Raises:
        AgeGenderError: `age_range` is not two increasing whole years.

    Examples:
        >>> import torch
        >>> head = CrossEntropy([0, 3])
        >>> output = torch.tensor([[0.1, 0.2, 0.3, 0.4]]).log()  # logits of the years 0, 1, 2, 3
        >>> head.predict(output).round(decimals=4)
        tensor([2.])
        >>> head.loss(output, torch.tensor([3.0]), torch.tensor([3.0]))  # -log(0.4)
        tensor([0.9163])
        >>> head.loss(output, torch.tensor([2.0]), torch.tensor([3.0]))  # -log(0.3 + 0.4)
        tensor([0.3567])
    """

    def __init__(self, age_range: Sequence[float], readout: Literal["expectation", "median"] = "expectation") -> None:
        super().__init__(age_range, readout)

    def interval_loss(self, output: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Minus the log of the probability inside the interval, [B]."""
        return -log_probability_inside(self.log_probabilities(output), self.ages, low, high)
