"""Base classes of the heads: the output layer of one task, its loss and its prediction."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from agegender.errors import AgeGenderError


class Head(nn.Module):
    """The output layer of one task.

    The layer takes its number of input features from the first forward pass (`nn.LazyLinear`), so a head does not
    depend on the network that computes the features.

    Args:
        outputs: Number of outputs per face.

    Examples:
        >>> import torch
        >>> head = Head(outputs=3)
        >>> head(torch.zeros(2, 16)).shape
        torch.Size([2, 3])
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs
        self.layer = nn.LazyLinear(outputs)

    def forward(self, features: Tensor) -> Tensor:
        """Map features [B, F] to the raw output [B, outputs]. Under autocast the layer still computes in float32."""
        if not torch.is_autocast_enabled(features.device.type):
            return self.layer(features)
        # bfloat16 has steps of half a year for ages above 64. This layer is small, so float32 costs almost no time.
        with torch.autocast(features.device.type, enabled=False):
            return self.layer(features.float())

    def checked(self, output: Tensor, *labels: Tensor) -> Tensor:
        """Check the shapes and return the output in float32 (float64 is kept).

        Raises:
            ValueError: The output is not [B, outputs] or a label is not [B].
        """
        batch = output.shape[:1]
        if output.shape != (*batch, self.outputs) or any(label.shape != batch for label in labels):
            found = ", ".join(str(list(label.shape)) for label in labels)
            raise ValueError(
                f"{type(self).__name__} expects outputs [B, {self.outputs}] and labels [B]; "
                f"got outputs {list(output.shape)}" + (f" and labels {found}" if found else "")
            )
        return output.to(torch.promote_types(output.dtype, torch.float32))


class AgeHead(Head, ABC):
    """A head that predicts age in years.

    A label is an interval [age_low, age_high] in years, both ends included. An exact age has `age_low == age_high`; for
    exact ages every loss equals the loss of its paper. Ages are completed years inside `age_range`.

    To add a head, write one file with a subclass that defines `interval_loss` and `predict`, and one YAML file.

    Args:
        age_range: First and last age in years, both included, such as [0, 116]. In all docstrings below, A is the number
            of whole years in this range.
        outputs: Number of outputs per face.

    Attributes:
        classes: First year of each age class, in increasing order, if the head predicts age classes; empty otherwise.

    Raises:
        AgeGenderError: `age_range` is not two increasing whole years.
    """

    classes: tuple[int, ...] = ()

    def __init__(self, age_range: Sequence[float], outputs: int) -> None:
        super().__init__(outputs)
        self.first_age, self.last_age = whole_years(age_range)

    def loss(self, output: Tensor, age_low: Tensor, age_high: Tensor) -> Tensor:
        """Loss of each face, [B], float32. The caller masks unknown labels and reduces.

        Args:
            output: Result of `forward`, [B, outputs], any floating-point type.
            age_low: Lower end of the label in years, [B], finite. Labels are clamped into `age_range`.
            age_high: Upper end of the label in years, included, [B], finite.

        Raises:
            ValueError: The shapes do not match.
        """
        output = self.checked(output, age_low, age_high)
        low, high = (age.to(output.dtype).clamp(self.first_age, self.last_age) for age in (age_low, age_high))
        return self.interval_loss(output, low, high)

    @abstractmethod
    def interval_loss(self, output: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Compute `loss`, [B], after its checks: the output is float32 and low <= high lie inside the age range."""

    @abstractmethod
    def predict(self, output: Tensor) -> Tensor:
        """Predicted age in years, [B], float32, not rounded, inside `age_range`."""

    def distribution(self, output: Tensor) -> Tensor | None:
        """Probability of each whole year of `age_range`, [B, A], or None if the head does not define probabilities."""
        return None


def whole_years(age_range: Sequence[float]) -> tuple[int, int]:
    """Return the first and the last age of an age range as integers.

    Raises:
        AgeGenderError: The range is not two increasing, non-negative whole numbers.

    Examples:
        >>> whole_years([0.0, 116.0])
        (0, 116)
    """
    whole = len(age_range) == 2 and all(float(age).is_integer() for age in age_range)
    if not whole or not 0 <= age_range[0] < age_range[1]:
        raise AgeGenderError(f"age_range must be two increasing whole years, such as [0, 116]; got {list(age_range)}")
    return int(age_range[0]), int(age_range[1])
