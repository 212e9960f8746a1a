"""Age as a distribution over years, trained to be a Gaussian around the label."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from agegender.errors import AgeGenderError
from agegender.heads.distribution import DistributionHead
from agegender.heads.intervals import distance, expectation


class DLDL(DistributionHead):
    """Deep label distribution learning (Gao et al., TIP 2017) with the expectation term of DLDL-v2 (IJCAI 2018).

    The loss is KL(target || softmax) + expectation_weight * |expectation - age|. The target is a Gaussian of standard
    deviation `sigma` around the age, evaluated at whole years and renormalised. For an interval, the age is the
    prediction's own expectation clamped into it (and held constant): the nearest age that agrees with the label.

    Args:
        age_range: first and last age in years, such as [0, 116].
        sigma: standard deviation of the target in years; the papers and Paplham & Franc (CVPR 2024) use 2.
        expectation_weight: weight of the second term, per year. 0 is DLDL, 1 is DLDL-v2 as published for age alone. The
            term is in years, so 1 makes it several times the divergence and drowns a gender loss beside it; 0.1 makes
            them alike and was no less accurate in age when measured on frozen face features.
        readout: the age to predict, `expectation` (as in the papers) or `median` (least expected absolute error).

    Raises:
        AgeGenderError: if `sigma` is not positive or `expectation_weight` negative.
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
        """KL divergence from the target plus the weighted distance of the expectation to the interval, [B]."""
        log_probabilities = self.log_probabilities(output)
        expected = expectation(log_probabilities.exp(), self.ages)
        age = expected.detach().clamp(low, high)
        # As a softmax the target survives a Gaussian so narrow that it vanishes at every whole year.
        target = (-((self.ages - age.unsqueeze(1)) ** 2) / (2 * self.sigma**2)).softmax(dim=1)
        divergence = F.kl_div(log_probabilities, target, reduction="none").sum(dim=1)
        return divergence + self.expectation_weight * distance(expected, low, high)
