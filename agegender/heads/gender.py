"""Heads for gender, 0 = male and 1 = female.

The labels are binary and assigned by appearance: by annotators or by another model, not by the persons themselves.
"""

from abc import ABC, abstractmethod

from torch import Tensor
from torch.nn import functional as F

from agegender.heads.base import Head


class GenderHead(Head, ABC):
    """A head that predicts the probability of the label female."""

    @abstractmethod
    def loss(self, output: Tensor, gender: Tensor) -> Tensor:
        """Loss of each face, [B], float32. The caller masks unknown labels and reduces.

        Args:
            output: Result of `forward`, [B, outputs], any floating-point type.
            gender: 0 = male, 1 = female, [B], integer. Unknown labels are not allowed.

        Raises:
            ValueError: The shapes do not match.
        """

    @abstractmethod
    def probability_female(self, output: Tensor) -> Tensor:
        """Probability of the label female, 0 to 1, [B], float32."""


class GenderCrossEntropy(GenderHead):
    """Two logits, trained with softmax cross-entropy.

    - Output: the logits of male and female, [B, 2].
    - Prediction: probability of the label female.
    - Loss: cross-entropy. Labels are exact; a face without a label is masked by the caller.
    - Source: standard two-class classification, as in Levi & Hassner, "Age and gender classification using convolutional
      neural networks", CVPR Workshops 2015.

    Examples:
        >>> import torch
        >>> head = GenderCrossEntropy()
        >>> output = torch.tensor([[0.25, 0.75]]).log()
        >>> head.probability_female(output)
        tensor([0.7500])
        >>> head.loss(output, torch.tensor([1]))  # -log(0.75)
        tensor([0.2877])
    """

    def __init__(self) -> None:
        super().__init__(outputs=2)

    def loss(self, output: Tensor, gender: Tensor) -> Tensor:
        """Cross-entropy of each face, [B]."""
        return F.cross_entropy(self.checked(output, gender), gender.long(), reduction="none")

    def probability_female(self, output: Tensor) -> Tensor:
        """Softmax of the female logit, [B]."""
        return self.checked(output).softmax(dim=1)[:, 1]


class GenderBCE(GenderHead):
    """One logit, trained with binary cross-entropy.

    - Output: the logit of female, [B, 1]: positive for female, negative for male.
    - Prediction: probability of the label female.
    - Loss: binary cross-entropy. Labels are exact; a face without a label is masked by the caller.
    - Source: standard logistic regression, without a paper of its own.

    Examples:
        >>> import torch
        >>> head = GenderBCE()
        >>> output = torch.tensor([[0.75]]).logit()
        >>> head.probability_female(output)
        tensor([0.7500])
        >>> head.loss(output, torch.tensor([1]))  # -log(0.75)
        tensor([0.2877])
    """

    def __init__(self) -> None:
        super().__init__(outputs=1)

    def loss(self, output: Tensor, gender: Tensor) -> Tensor:
        """Binary cross-entropy of each face, [B]."""
        logit = self.checked(output, gender).squeeze(1)
        return F.binary_cross_entropy_with_logits(logit, gender.to(logit.dtype), reduction="none")

    def probability_female(self, output: Tensor) -> Tensor:
        """Sigmoid of the logit, [B]."""
        return self.checked(output).sigmoid().squeeze(1)
