"""DLDL: softmax over whole years, trained towards a Gaussian around the label."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from agegender.errors import AgeGenderError
from agegender.heads.distribution import DistributionHead
from agegender.heads.intervals import distance, expectation


class DLDL(DistributionHead):
    """Deep label distribution learning: softmax over whole years, trained towards a Gaussian around the label.

    - Output: one logit per whole year, [B, A].
    - Prediction: expectation (as in the papers) or median of the softmax, in years.
    - Loss of an exact age: KL(target || softmax) + expectation_weight * |expectation - age|. The target is a Gaussian
      with standard deviation `sigma` around the age, evaluated at the whole years and normalised to sum to 1.
    - Loss of an interval: the same loss with the age set to the nearest age in the interval, that is the expectation
      clamped into the interval. No gradient flows through this age. This extends the papers.
    - Source: Gao et al., "Deep label distribution learning with label ambiguity", IEEE TIP 2017 (the divergence);
      Gao et al., "Age estimation using expectation of label distribution learning", IJCAI 2018 (DLDL-v2: the expectation
      term).

    Args:
        age_range: First and last age in years, both included, such as [0, 116].
        sigma: Standard deviation of the target in years. The papers and Paplham & Franc (CVPR 2024) use 2.
        expectation_weight: Weight of the expectation term, per year. 0 is DLDL. 1 is DLDL-v2 as published for age alone:
            the term is then several times larger than the divergence and than a gender loss. With 0.1 both terms have
            similar size; on frozen face features the age error was not higher.
        readout: Predicted age: `expectation`, or `median`, which minimises the expected absolute error.

    Raises:
        AgeGenderError: `sigma` is not positive, `expectation_weight` is negative, or `age_range` is not two increasing
            whole years.

    Examples:
        >>> import torch
        >>> head = DLDL([0, 60], sigma=2.0, expectation_weight=0.0)
        >>> years = torch.arange(61.0)
        >>> output = -((years - 30) ** 2)[None] / (2 * 2.0**2)  # softmax: a Gaussian around 30
        >>> head.predict(output).round()
        tensor([30.])
        >>> head.loss(output, torch.tensor([30.0]), torch.tensor([30.0])).abs().round(decimals=3)
        tensor([0.])
        >>> head.loss(output, torch.tensor([34.0]), torch.tensor([34.0])).round(decimals=3)  # (34 - 30)^2 / (2 sigma^2)
        tensor([2.])
        >>> head.loss(output, torch.tensor([25.0]), torch.tensor([35.0])).abs().round(decimals=3)  # 30 is inside
        tensor([0.])
    """

    def __init__(
        self,
        age_range: Sequence[float],
        sigma: float = 2.0,
        expectation_weight: float = 0.1,
        readout: Literal["expectation", "median"] = "expectation",
    ) -> None:
        super().__init__(age_range, readout)
        if sigma <= 0 or expectation_weight < 0:
            raise AgeGenderError(
                f"head.sigma must be above 0 and head.expectation_weight at least 0; got {sigma} and {expectation_weight}"
            )
        self.sigma = sigma
        self.expectation_weight = expectation_weight

    def interval_loss(self, output: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """KL divergence from the target plus the weighted distance in years of the expectation to the interval, [B]."""
        log_probabilities = self.log_probabilities(output)
        expected = expectation(log_probabilities.exp(), self.ages)
        age = expected.detach().clamp(low, high)
        # Softmax stays finite if sigma is so small that the Gaussian underflows to 0 at every whole year.
        target = (-((self.ages - age.unsqueeze(1)) ** 2) / (2 * self.sigma**2)).softmax(dim=1)
        divergence = F.kl_div(log_probabilities, target, reduction="none").sum(dim=1)
        return divergence + self.expectation_weight * distance(expected, low, high)
