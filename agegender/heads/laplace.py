"""Age as one number with an uncertainty of its own."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from agegender.errors import AgeGenderError
from agegender.heads.base import AgeHead
from agegender.heads.intervals import distance


class Laplace(AgeHead):
    """Heteroscedastic regression: location m and scale b of a Laplace distribution (Kendall & Gal, NeurIPS 2017).

    The loss of an exact age is its negative log-likelihood, |age - m| / b + log 2b: an absolute error that each face
    weighs by how sure the network is of it. For an interval it is minus the log of the mean density over the interval,
    the censored likelihood up to a constant of the label; as the interval shrinks this becomes the loss of an exact
    age. (The distance to the interval in place of |age - m| would reward any face inside for a scale of nothing.)

    The scale lies between half a year, since labels are whole years, and the length of the age range; its logarithm is
    a sigmoid of the second output. So the loss is never negative, as learned task weights need it.

    Args:
        age_range: first and last age in years, such as [0, 116].
        center: age in years at which an untrained head starts, near the mean of the training ages.
        scale: years that one unit of the layer's first output moves the location.

    Raises:
        AgeGenderError: if `scale` is not positive.
    """

    def __init__(self, age_range: Sequence[float], center: float = 35.0, scale: float = 20.0) -> None:
        super().__init__(age_range, outputs=2)
        if scale <= 0:
            raise AgeGenderError(f"head.scale must be above 0; got {scale}")
        self.center = center
        self.unit = scale
        self.log_scale_range = math.log(0.5), math.log(self.last_age - self.first_age)

    def forward(self, features: Tensor) -> Tensor:
        """Map features [B, F] to the location in years, not clamped, and a number that grows with the scale, [B, 2]."""
        location, spread = super().forward(features).unbind(dim=1)
        return torch.stack((self.center + self.unit * location, spread), dim=1)

    def log_scale(self, output: Tensor) -> Tensor:
        """Logarithm of the scale b in years, [B]."""
        lowest, highest = self.log_scale_range
        return lowest + (highest - lowest) * output[:, 1].sigmoid()

    def interval_loss(self, output: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Minus the log of the density at the label, or of its mean over the interval, [B]."""
        location, log_scale = output[:, 0], self.log_scale(output)
        per_scale = (-log_scale).exp()
        nearest, width = location.clamp(low, high), high - low
        # The mean density over the interval is that at its nearest point times a share of at most 1, which is 1 at zero
        # width: each side of the nearest point falls off exponentially.
        sides = -torch.expm1((low - nearest) * per_scale) - torch.expm1((nearest - high) * per_scale)
        exact = width == 0
        share = torch.where(exact, 1.0, sides / (torch.where(exact, 1.0, width) * per_scale))
        return distance(location, low, high) * per_scale + log_scale + math.log(2) - share.log()

    def predict(self, output: Tensor) -> Tensor:
        """The location, clamped into the age range."""
        return self.checked(output)[:, 0].clamp(self.first_age, self.last_age)

    def distribution(self, output: Tensor) -> Tensor:
        """Probabilities of whole years, [B, A]: within half a year of each; the first and last take what lies beyond."""
        output = self.checked(output)
        edges = torch.arange(self.first_age + 0.5, self.last_age, dtype=output.dtype, device=output.device)
        off = (edges - output[:, :1]) * (-self.log_scale(output)).exp().unsqueeze(1)
        up_to = 0.5 - 0.5 * off.sign() * torch.expm1(-off.abs())
        return F.pad(up_to, (0, 1), value=1.0) - F.pad(up_to, (1, 0))
