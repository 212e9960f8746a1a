"""Gender as labelled in the data: 0 = male, 1 = female, the appearance as judged by others."""

from abc import ABC, abstractmethod

from torch import Tensor
from torch.nn import functional as F

from agegender.heads.base import Head


class GenderHead(Head, ABC):
    """A head for gender."""

    @abstractmethod
    def loss(self, output: Tensor, gender: Tensor) -> Tensor:
        """Loss of each face, [B], float32; masking and reduction are the caller's.

        Args:
            output: what `forward` returned, [B, outputs], any floating type.
            gender: 0 = male, 1 = female, [B], integer; all known.

        Raises:
            ValueError: if the shapes do not agree.
        """

    @abstractmethod
    def probability_female(self, output: Tensor) -> Tensor:
        """Probability of female in 0..1, [B], float32."""


class GenderCrossEntropy(GenderHead):
    """Two logits, male and female, with softmax cross-entropy."""

    def __init__(self) -> None:
        super().__init__(outputs=2)

    def loss(self, output: Tensor, gender: Tensor) -> Tensor:
        """Cross-entropy of each face, [B]."""
        return F.cross_entropy(self.checked(output, gender), gender.long(), reduction="none")

    def probability_female(self, output: Tensor) -> Tensor:
        """Softmax of the female logit, [B]."""
        return self.checked(output).softmax(dim=1)[:, 1]


class GenderBCE(GenderHead):
    """One logit, positive for female, with sigmoid and binary cross-entropy."""

    def __init__(self) -> None:
        super().__init__(outputs=1)

    def loss(self, output: Tensor, gender: Tensor) -> Tensor:
        """Binary cross-entropy of each face, [B]."""
        logit = self.checked(output, gender).squeeze(1)
        return F.binary_cross_entropy_with_logits(logit, gender.to(logit.dtype), reduction="none")

    def probability_female(self, output: Tensor) -> Tensor:
        """Sigmoid of the logit, [B]."""
        return self.checked(output).sigmoid().squeeze(1)
