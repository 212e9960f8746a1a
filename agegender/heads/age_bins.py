"""Age as a class: softmax over bins of whole years."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from agegender.errors import AgeGenderError
from agegender.heads.base import AgeHead
from agegender.heads.intervals import expectation, median


class AgeBins(AgeHead):
    """Softmax over age classes (bins of whole years).

    Bin i contains the whole years from `edges[i]` to `edges[i + 1] - 1`; the last bin ends with `age_range[1]`. Inside a bin
    all years have the same probability. Coarse bins limit the accuracy in years.

    - Output: one logit per bin, [B, number of bins].
    - Prediction: centre of the most probable bin, expectation of the bin centres, or median, in years.
    - Loss of an exact age: cross-entropy with its bin as the class.
    - Loss of an interval: minus the log of the probability inside it. A bin that is partly inside counts with the share of
      its years that are inside. All shares are divided by the largest one, so the loss is the cross-entropy for every
      interval inside one bin.
    - Labels with a fraction of a year are rounded down, because ages are completed years.
    - Source: age as classes as in Levi & Hassner, "Age and gender classification using convolutional neural networks",
      CVPR Workshops 2015; the interval loss extends it.

    Args:
        age_range: First and last age in years, both included, such as [0, 116].
        edges: First year of each bin: increasing whole numbers that start at `age_range[0]`.
        readout: Predicted age: `bin`, the centre of the most probable bin (24.5 for 20 to 29); `expectation` of the bin
            centres; or `median`, which minimises the expected absolute error.

    Raises:
        AgeGenderError: The edges do not increase from the first age to at most the last, or `age_range` is not two
            increasing whole years.

    Examples:
        >>> import torch
        >>> head = AgeBins([0, 39], edges=[0, 10, 30], readout="bin")
        >>> head.classes
        (0, 10, 30)
        >>> output = torch.tensor([[0.2, 0.5, 0.3]]).log()  # logits of 0 to 9, 10 to 29, 30 to 39
        >>> head.predict(output)
        tensor([19.5000])
        >>> head.loss(output, torch.tensor([12.0]), torch.tensor([12.0]))  # -log(0.5)
        tensor([0.6931])
        >>> head.loss(output, torch.tensor([10.0]), torch.tensor([39.0]))  # -log(0.5 + 0.3)
        tensor([0.2231])
    """

    bin_of_year: Tensor
    first: Tensor
    last: Tensor

    def __init__(
        self,
        age_range: Sequence[float],
        edges: Sequence[float],
        readout: Literal["bin", "expectation", "median"] = "expectation",
    ) -> None:
        super().__init__(age_range, outputs=len(edges))
        starts = [int(edge) for edge in edges]
        increasing = all(left < right for left, right in pairwise([*starts, self.last_age + 1]))
        if starts != list(edges) or starts[:1] != [self.first_age] or not increasing:
            raise AgeGenderError(
                f"head.edges must be increasing whole years that start at the first age of age_range, {self.first_age}, "
                f"and do not exceed the last, {self.last_age}; got {list(edges)}"
            )
        first = torch.tensor(starts, dtype=torch.float32)
        last = torch.tensor([start - 1 for start in starts[1:]] + [self.last_age], dtype=torch.float32)
        years = torch.arange(self.first_age, self.last_age + 1)
        self.classes = tuple(starts)
        self.readout = readout
        # Not saved in the checkpoint: they follow from the arguments, which are saved.
        self.register_buffer("first", first, persistent=False)
        self.register_buffer("last", last, persistent=False)
        self.register_buffer("bin_of_year", torch.bucketize(years, first, right=True) - 1, persistent=False)

    def interval_loss(self, output: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Minus the log of the probability inside the interval, up to a constant of the label, [B]."""
        low, high = low.floor().unsqueeze(1), high.floor().unsqueeze(1)
        years_inside = (torch.minimum(high, self.last) - torch.maximum(low, self.first) + 1).clamp_min(0)
        share = years_inside / (self.last - self.first + 1)
        share = share / share.amax(dim=1, keepdim=True)
        return -torch.logsumexp(output.log_softmax(dim=1) + share.log(), dim=1)

    def predict(self, output: Tensor) -> Tensor:
        """Bin centre, expectation or median in years, [B], as `readout` says."""
        if self.readout == "median":
            return median(self.distribution(output), self.first_age)
        output = self.checked(output)
        centres = (self.first + self.last) / 2
        if self.readout == "bin":
            return centres[output.argmax(dim=1)]
        return expectation(output.softmax(dim=1), centres)

    def distribution(self, output: Tensor) -> Tensor:
        """Probability of each whole year, [B, A]: the probability of its bin, divided evenly among the years of the bin."""
        per_year = self.checked(output).softmax(dim=1) / (self.last - self.first + 1)
        return per_year[:, self.bin_of_year]
