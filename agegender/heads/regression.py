"""Age as one number."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from agegender.errors import AgeGenderError
from agegender.heads.base import AgeHead
from agegender.heads.intervals import distance


class Regression(AgeHead):
    """One linear output, trained on its distance to the labelled interval.

    Output and prediction are in years whatever the target. The loss sees the output as it is; only the prediction is
    clamped into the age range, so that an output outside the range is still pulled back.

    Args:
        age_range: first and last age in years, such as [0, 116].
        loss: what is made of the distance: itself (`l1`), its square (`mse`) or Huber's mixture of both.
        target: unit of the loss. `standardised`: the layer gives (age - center) / scale and the loss is in units of
            `scale`, which brings it near the gender loss and makes it less sensitive to the learning rate. `years`: the layer
            gives years above `center` and the loss is in years (or years squared), as task weights of papers expect.
        center: age in years at which an untrained head starts, near the mean of the training ages; 0 with
            `target=years` is a plain linear output.
        scale: years per unit of a standardised target, near the standard deviation of the training ages.
        delta: where Huber's loss turns from square to linear, in the unit of the target.
        relu: put a ReLU on the output, as some papers do. An output below zero then has no gradient, so start above it
            with `center`.

    Raises:
        AgeGenderError: if `scale` or `delta` is not positive.
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
        """Map features [B, F] to years [B, 1], not clamped."""
        years = self.center + self.unit * super().forward(features)
        return years.relu() if self.relu else years

    def interval_loss(self, output: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Penalty of the distance to the interval, [B], in units of the target."""
        off = distance(output.squeeze(1), low, high) / self.unit
        if self.penalty == "l1":
            return off
        if self.penalty == "mse":
            return off.square()
        return F.huber_loss(off, off.new_zeros(()).expand_as(off), reduction="none", delta=self.delta)

    def predict(self, output: Tensor) -> Tensor:
        """The output, clamped into the age range."""
        return self.checked(output).squeeze(1).clamp(self.first_age, self.last_age)
