"""Age with an uncertainty per face: location and scale of a Laplace distribution."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from agegender.errors import AgeGenderError
from agegender.heads.base import AgeHead
from agegender.heads.intervals import distance


class Laplace(AgeHead):
    """Heteroscedastic regression: location m and scale b of a Laplace distribution for each face.

    - Output: the location m in years, not clamped, and a number s that determines the scale b, [B, 2].
    - Prediction: m clamped into `age_range`.
    - Loss of an exact age: negative log-likelihood |age - m| / b + log(2 b).
    - Loss of an interval: minus the log of the mean density over the interval. This is the loss of an exact age in the
      limit of a short interval, and the censored likelihood up to a constant of the label. (The distance to the interval
      instead of |age - m| would drive b to its lower limit for every m inside the interval.)
    - Source: Kendall & Gal, "What uncertainties do we need in Bayesian deep learning for computer vision?", NeurIPS 2017,
      with a Laplace instead of a Gaussian likelihood; the interval loss extends it.

    The scale b lies between 0.5 years (labels are whole years) and the length of the age range; log b is linear in
    sigmoid(s). With b >= 0.5 the loss is never negative, which learned task weights require.

    Args:
        age_range: First and last age in years, both included, such as [0, 116].
        center: Age in years that an untrained head predicts. Choose a value near the mean of the training ages.
        scale: Years by which one unit of the first output of the layer moves the location.

    Raises:
        AgeGenderError: `scale` is not positive, or `age_range` is not two increasing whole years.

    Examples:
        >>> import torch
        >>> head = Laplace([0, 50])
        >>> output = torch.tensor([[30.0, 0.0]])  # sigmoid(0) = 1/2: b = sqrt(0.5 * 50) = 5 years
        >>> head.log_scale(output).exp()
        tensor([5.])
        >>> head.predict(output)
        tensor([30.])
        >>> head.loss(output, torch.tensor([40.0]), torch.tensor([40.0]))  # |40 - 30| / 5 + log(2 * 5)
        tensor([4.3026])
        >>> head.loss(output, torch.tensor([0.0]), torch.tensor([50.0]))  # -log(0.99 / 50): 0.99 is inside, over 50 years
        tensor([3.9225])
    """

    def __init__(self, age_range: Sequence[float], center: float = 35.0, scale: float = 20.0) -> None:
        super().__init__(age_range, outputs=2)
        if scale <= 0:
            raise AgeGenderError(f"head.scale must be above 0; got {scale}")
        self.center = center
        self.unit = scale
        self.log_scale_range = math.log(0.5), math.log(self.last_age - self.first_age)

    def forward(self, features: Tensor) -> Tensor:
        """Map features [B, F] to the location in years, not clamped, and the number s that determines the scale, [B, 2]."""
        location, spread = super().forward(features).unbind(dim=1)
        return torch.stack((self.center + self.unit * location, spread), dim=1)

    def log_scale(self, output: Tensor) -> Tensor:
        """Log of the scale b, [B], b in years."""
        lowest, highest = self.log_scale_range
        return lowest + (highest - lowest) * output[:, 1].sigmoid()

    def interval_loss(self, output: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Minus the log of the density at an exact age, or of the mean density over an interval, [B]."""
        location, log_scale = output[:, 0], self.log_scale(output)
        per_scale = (-log_scale).exp()
        nearest, width = location.clamp(low, high), high - low
        # Mean density over the interval = density at the nearest point of the interval * share, with share <= 1. The
        # density falls off exponentially on both sides of this point; share is 1 for an interval of zero width.
        sides = -torch.expm1((low - nearest) * per_scale) - torch.expm1((nearest - high) * per_scale)
        exact = width == 0
        share = torch.where(exact, 1.0, sides / (torch.where(exact, 1.0, width) * per_scale))
        return distance(location, low, high) * per_scale + log_scale + math.log(2) - share.log()

    def predict(self, output: Tensor) -> Tensor:
        """The location clamped into the age range, in years, [B]."""
        return self.checked(output)[:, 0].clamp(self.first_age, self.last_age)

    def distribution(self, output: Tensor) -> Tensor:
        """Probability of each whole year, [B, A].

        A year has the probability of the ages within half a year of it. The first and the last year also have the
        probability of the ages below and above them.
        """
        output = self.checked(output)
        edges = torch.arange(self.first_age + 0.5, self.last_age, dtype=output.dtype, device=output.device)
        off = (edges - output[:, :1]) * (-self.log_scale(output)).exp().unsqueeze(1)
        up_to = 0.5 - 0.5 * off.sign() * torch.expm1(-off.abs())
        return F.pad(up_to, (0, 1), value=1.0) - F.pad(up_to, (1, 0))
