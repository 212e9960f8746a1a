"""What a head is: the output layer of one task, its loss, and how its output is read."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from agegender.errors import AgeGenderError


class Head(nn.Module):
    """The output layer of one task.

    The layer learns its number of input features from the first forward pass (`nn.LazyLinear`), so a head needs to
    know nothing about the network below it.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs
        self.layer = nn.LazyLinear(outputs)

    def forward(self, features: Tensor) -> Tensor:
        """Map features [B, F] to the raw output [B, outputs], in float32 under autocast too."""
        if not torch.is_autocast_enabled(features.device.type):
            return self.layer(features)
        # bfloat16 tells ages above 64 apart only by half a year; in full precision this small layer costs nothing.
        with torch.autocast(features.device.type, enabled=False):
            return self.layer(features.float())

    def checked(self, output: Tensor, *labels: Tensor) -> Tensor:
        """The output in float32 (float64 stays).

        Raises:
            ValueError: unless output is [B, outputs] and every label is [B].
        """
        batch = output.shape[:1]
        if output.shape != (*batch, self.outputs) or any(label.shape != batch for label in labels):
            found = ", ".join(str(list(label.shape)) for label in labels)
            raise ValueError(
                f"{type(self).__name__} takes outputs [B, {self.outputs}] and labels [B]; "
                f"got outputs {list(output.shape)}" + (f" and labels {found}" if found else "")
            )
        return output.to(torch.promote_types(output.dtype, torch.float32))


class AgeHead(Head, ABC):
    """A head for age in years. A new one is one file with the methods below, and one YAML file.

    Ages are completed years from `age_range[0]` to `age_range[1]`, both included. A label is an interval
    [age_low, age_high]; an exact age has `age_low == age_high`, and there every loss is the ordinary loss of its paper.

    Attributes:
        classes: first year of each age class, youngest class first, of a head that classifies ages; empty for other heads.
    """

    classes: tuple[int, ...] = ()

    def __init__(self, age_range: Sequence[float], outputs: int) -> None:
        super().__init__(outputs)
        self.first_age, self.last_age = whole_years(age_range)

    def loss(self, output: Tensor, age_low: Tensor, age_high: Tensor) -> Tensor:
        """Loss of each face, [B], float32; masking and reduction are the caller's.

        Args:
            output: what `forward` returned, [B, outputs], any floating type.
            age_low: lower end of the label in years, [B]; known and finite. Labels are clamped into `age_range`.
            age_high: upper end, included, [B].

        Raises:
            ValueError: if the shapes do not agree.
        """
        output = self.checked(output, age_low, age_high)
        low, high = (age.to(output.dtype).clamp(self.first_age, self.last_age) for age in (age_low, age_high))
        return self.interval_loss(output, low, high)

    @abstractmethod
    def interval_loss(self, output: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """`loss` after the checks: output in float32, low <= high inside the age range. Returns [B]."""

    @abstractmethod
    def predict(self, output: Tensor) -> Tensor:
        """Ages in years, [B], float32, not rounded, inside `age_range`."""

    def distribution(self, output: Tensor) -> Tensor | None:
        """Probabilities of the whole years of `age_range`, [B, last - first + 1], or None where the head has none."""
        return None


def whole_years(age_range: Sequence[float]) -> tuple[int, int]:
    """First and last age of an age range.

    Raises:
        AgeGenderError: unless it is two whole, rising, non-negative numbers.
    """
    whole = len(age_range) == 2 and all(float(age).is_integer() for age in age_range)
    if not whole or not 0 <= age_range[0] < age_range[1]:
        raise AgeGenderError(f"age_range must be two rising whole years, such as [0, 116]; got {list(age_range)}")
    return int(age_range[0]), int(age_range[1])
