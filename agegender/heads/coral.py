"""Age by questions that share their weights: is a face older than this year?"""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from agegender.errors import AgeGenderError
from agegender.heads.or_cnn import ORCNN


class CORAL(ORCNN):
    """Consistent rank logits, CORAL (Cao, Mirjalili & Raschka 2020): OR-CNN with one weight vector for all questions.

    Output k, the logit of "older than year k", is w features + b_k. The biases are used in falling order, so that the
    answers always agree, which the paper does not do: it proves that order for the optimum over exact ages. Questions
    that intervals leave open do not come to it by themselves, but so lie between their neighbours.

    The biases start as a logistic distribution of ages, and so in falling order, as coral-pytorch advises. There they
    fall from 1 to 0, and at usual learning rates take very long to spread over the ages.

    The loss is a sum over all years, about 70 at first with 116 questions, and drowns a gender loss of 0.7 beside it
    unless `balance` weighs it.

    Args:
        age_range: first and last age in years, such as [0, 116].
        center: age in years at which an untrained head starts, near the mean of the training ages.
        scale: years that one unit of w features moves the prediction at first; a few years, like the final errors.
        readout: the age to predict: `median`, within half a year of the paper's rule, which counts the questions that
            are answered yes with a probability above one half; or `expectation`.

    Raises:
        AgeGenderError: if `scale` is not positive.
    """

    def __init__(
        self,
        age_range: Sequence[float],
        center: float = 35.0,
        scale: float = 6.0,
        readout: Literal["expectation", "median"] = "median",
    ) -> None:
        super().__init__(age_range, readout)
        if scale <= 0:
            raise AgeGenderError(f"head.scale must be above 0; got {scale}")
        self.layer = nn.LazyLinear(1, bias=False)
        # "older than 30" lies half-way between 30 and 31
        self.bias = nn.Parameter((center - (self.ages[:-1] + 0.5)) / scale)

    def forward(self, features: Tensor) -> Tensor:
        """Map features [B, F] to falling logits [B, A - 1]."""
        return super().forward(features) + self.bias.sort(descending=True).values
