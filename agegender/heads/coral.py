"""CORAL: binary classifiers per threshold "older than year k" that share one weight vector."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from agegender.errors import AgeGenderError
from agegender.heads.or_cnn import ORCNN


class CORAL(ORCNN):
    """Consistent rank logits (CORAL): OR-CNN with one weight vector for all thresholds.

    - Output: A - 1 logits, [B, A - 1]. Output k, the logit of "older than year k", is w * features + b_k.
    - Prediction: median or expectation of the distribution, in years. The median differs by at most half a year from the
      rule of the paper, which counts the thresholds with a probability above 0.5.
    - Loss of an exact age: sum of the binary cross-entropies of all thresholds.
    - Loss of an interval: the thresholds inside the interval are masked. This extends the paper.
    - Labels with a fraction of a year are rounded down.
    - Source: Cao, Mirjalili & Raschka, "Rank consistent ordinal regression for neural networks with application to age
      estimation", Pattern Recognition Letters 2020.

    Differences from the paper:

    - `forward` sorts the biases in descending order, so the probabilities never increase with the year. The paper does not
      sort: it proves this order for the optimum over exact ages. With intervals, masked thresholds need the sorting.
    - The biases start as a logistic distribution of ages around `center`. The coral-pytorch package starts them at
      values from 1 down to 0; at common learning rates they then need many steps to spread over the ages.

    The loss is a sum over thresholds: about 70 at the start of training with 116 thresholds, while the gender loss is 0.7.
    Choose the weights in `balance` accordingly.

    Args:
        age_range: First and last age in years, both included, such as [0, 116].
        center: Age in years that an untrained head predicts. Choose a value near the mean of the training ages.
        scale: Years by which one unit of w * features moves the prediction of an untrained head. Choose a few years, like
            the expected error.
        readout: Predicted age: `median` or `expectation`.

    Raises:
        AgeGenderError: `scale` is not positive, or `age_range` is not two increasing whole years.

    Examples:
        >>> import torch
        >>> head = CORAL([0, 116], center=35.0, scale=6.0)
        >>> round(head.predict(head(torch.zeros(1, 8))).item(), 2)  # features of 0: the prediction of an untrained head
        35.0
        >>> head = CORAL([0, 3], center=1.0)
        >>> output = torch.tensor([[0.9, 0.8, 0.4]]).logit()  # older than 0, older than 1, older than 2
        >>> head.loss(output, torch.tensor([2.0]), torch.tensor([2.0]))  # -log(0.9 * 0.8 * (1 - 0.4))
        tensor([0.8393])
        >>> head.loss(output, torch.tensor([2.0]), torch.tensor([3.0]))  # "older than 2" is masked: -log(0.9 * 0.8)
        tensor([0.3285])
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
        # The threshold "older than 30" lies between 30 and 31.
        self.bias = nn.Parameter((center - (self.ages[:-1] + 0.5)) / scale)

    def forward(self, features: Tensor) -> Tensor:
        """Map features [B, F] to logits in descending order, [B, A - 1]."""
        return super().forward(features) + self.bias.sort(descending=True).values
