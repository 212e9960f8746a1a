"""Mixup: training on blends of two faces."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from agegender.training.setting_checks import require

LABELS = ("age_low", "age_high", "gender")


class Mixup:
    """Blends each face of a batch with another face of it.

    Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018. The loss of a blend is the sum of its losses for the
    labels of both faces, weighted by their shares. For losses that are linear in the target, such as cross-entropy with a label
    distribution, this equals the loss of the blended target. Unlike in the paper, the larger share always belongs to the face's
    own labels, with which the metrics of training are measured.

    Args:
        alpha: Both parameters of the beta distribution of the shares, above 0: 0.2 mostly gives small shares, 1 gives equally
            frequent ones.

    Raises:
        AgeGenderError: ``alpha`` is infinite or not above 0.
    """

    def __init__(self, alpha: float) -> None:
        require(0 < alpha < math.inf, "mixup", alpha, "finite and above 0, or null")
        self._alpha = torch.tensor(float(alpha))

    def __call__(self, batch: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor], float]:
        """Blends a batch; the random numbers are those of PyTorch's generators.

        Args:
            batch: ``image`` as uint8 [B, 3, H, W] or ``features`` as floats, and labels [B].

        Returns:
            The batch with blended images or features; the labels of the partner of each face; and the share of the own face
            in 0.5..1.
        """
        share = float(torch.distributions.Beta(self._alpha, self._alpha).sample())
        share = max(share, 1 - share)
        partner = torch.randperm(len(batch["index"])).to(batch["index"].device)
        key = "features" if "features" in batch else "image"
        own = batch[key]
        blend = own.float().lerp(own[partner].float(), 1 - share)
        blend = blend.to(own.dtype) if own.is_floating_point() else blend.round().to(own.dtype)
        return {**batch, key: blend}, {name: batch[name][partner] for name in LABELS}, share
