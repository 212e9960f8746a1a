"""Age as one linear output in years."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from agegender.errors import AgeGenderError
from agegender.heads.base import AgeHead
from agegender.heads.intervals import distance


class Regression(AgeHead):
    """One linear output in years, trained with the L1, squared or Huber loss.

    - Output: age in years, [B, 1], not clamped.
    - Prediction: the output clamped into `age_range`.
    - Loss of an exact age: `loss` of the error, in the unit that `target` chooses. The loss uses the output before
      clamping, so an output outside `age_range` has a gradient towards it.
    - Loss of an interval: `loss` of the distance to the interval, 0 inside it.
    - Source: standard regression, without a paper of its own. The Huber loss is from Huber, "Robust estimation of a
      location parameter", Annals of Mathematical Statistics 1964.

    Args:
        age_range: First and last age in years, both included, such as [0, 116].
        loss: `l1` (absolute error), `mse` (squared error) or `huber`.
        target: Unit of the loss. `standardised`: the layer predicts (age - center) / scale and the loss is in units of
            `scale`. The loss then has a size similar to the gender loss and depends less on the learning rate. `years`:
            the layer predicts age - center and the loss is in years or years squared, as task weights of papers assume.
        center: Age in years that an untrained head predicts. Choose a value near the mean of the training ages. With
            `target=years`, 0 is a plain linear output.
        scale: Years per unit of a standardised target. Choose a value near the standard deviation of the training ages.
        delta: Error at which the Huber loss changes from squared to linear, in the unit of the target.
        relu: Apply a ReLU to the output in years, as some papers do. A negative output then has no gradient, so choose a
            `center` above 0.

    Raises:
        AgeGenderError: `scale` or `delta` is not positive, or `age_range` is not two increasing whole years.

    Examples:
        >>> import torch
        >>> head = Regression([0, 116], loss="l1", target="years")
        >>> output = torch.tensor([[31.5], [-4.0]])  # years
        >>> head.predict(output)
        tensor([31.5000,  0.0000])
        >>> head.loss(output, torch.tensor([30.0, 3.0]), torch.tensor([30.0, 9.0]))  # exact age 30, interval 3 to 9
        tensor([1.5000, 7.0000])
        >>> head = Regression([0, 116], loss="l1", target="standardised", scale=20.0)
        >>> head.loss(output, torch.tensor([30.0, 3.0]), torch.tensor([30.0, 9.0]))  # in units of 20 years
        tensor([0.0750, 0.3500])
    """

    def __init__(
        self,
        age_range: Sequence[float],
        loss: Literal["l1", "mse", "huber"] = "l1",
        target: Literal["standardised", "years"] = "standardised",
        center: float = 35.0,
        scale: float = 20.0,
        delta: float = 1.0,
        relu: bool = False,
    ) -> None:
        super().__init__(age_range, outputs=1)
        if scale <= 0 or delta <= 0:
            raise AgeGenderError(f"head.scale and head.delta must be above 0; got {scale} and {delta}")
        self.penalty = loss
        self.center = center
        self.unit = scale if target == "standardised" else 1.0
        self.delta = delta
        self.relu = relu

    def forward(self, features: Tensor) -> Tensor:
        """Map features [B, F] to the age in years, [B, 1], not clamped."""
        years = self.center + self.unit * super().forward(features)
        return years.relu() if self.relu else years

    def interval_loss(self, output: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """L1, squared or Huber loss of the distance to the interval, [B], in the unit of the target."""
        off = distance(output.squeeze(1), low, high) / self.unit
        if self.penalty == "l1":
            return off
        if self.penalty == "mse":
            return off.square()
        return F.huber_loss(off, off.new_zeros(()).expand_as(off), reduction="none", delta=self.delta)

    def predict(self, output: Tensor) -> Tensor:
        """The output clamped into the age range, in years, [B]."""
        return self.checked(output).squeeze(1).clamp(self.first_age, self.last_age)
