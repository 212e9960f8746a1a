"""Age by independent questions: is a face older than this year?"""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from agegender.heads.distribution import DistributionHead


class ORCNN(DistributionHead):
    """Ordinal regression with one binary output a year, OR-CNN (Niu et al., CVPR 2016), all questions weighing the same.

    Output k is the logit of "older than year k"; the loss is the sum of the binary cross-entropies. For an interval the
    questions whose answer it leaves open, those inside, are left out, so train with some exact ages: a question that
    every label leaves open is never learned. Labels with a fraction of a year are floored.

    The loss is a sum over all years, about 80 at first with 116 questions, and drowns a gender loss of 0.7 beside it
    unless `balance` weighs it.

    Nothing makes the answers agree: "older than 30" may come out less probable than "older than 31". The distribution is
    made from the probabilities in falling order, which changes neither their sum nor the number above one half.

    Args:
        age_range: first and last age in years, such as [0, 116].
        readout: the age to predict: `median`, within half a year of the paper's rule, which counts the questions that
            are answered yes with a probability above one half; or `expectation`.
    """

    def __init__(self, age_range: Sequence[float], readout: Literal["expectation", "median"] = "median") -> None:
        super().__init__(age_range, readout, questions=True)

    def interval_loss(self, output: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Binary cross-entropy summed over the questions that the label answers, [B]."""
        low, high = low.floor().unsqueeze(1), high.floor().unsqueeze(1)
        older, not_older = low > self.ages[:-1], high <= self.ages[:-1]
        errors = F.binary_cross_entropy_with_logits(output, older.to(output.dtype), reduction="none")
        return (errors * (older | not_older)).sum(dim=1)

    def distribution(self, output: Tensor) -> Tensor:
        """Probabilities of whole years, [B, A]: differences of the probabilities of being older."""
        older = self.checked(output).sigmoid().sort(dim=1, descending=True).values
        return F.pad(older, (1, 0), value=1.0) - F.pad(older, (0, 1))
