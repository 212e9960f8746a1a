"""Age as one of a few classes."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from agegender.errors import AgeGenderError
from agegender.heads.base import AgeHead
from agegender.heads.intervals import expectation, median


class AgeBins(AgeHead):
    """Softmax over bins of ages; coarse bins cannot give fine ages, so judge their error in years with that in mind.

    Ages are completed years: bin i holds the whole years `edges[i]` to `edges[i + 1] - 1`, the last one those up to and
    including `age_range[1]`. Labels with a fraction of a year are floored. Inside a bin every year is equally probable.

    The loss is minus the log of the probability inside the labelled interval, where a bin partly inside counts with the
    share of its years that are. A constant of the label is left out, so that it is the ordinary cross-entropy whenever
    the interval lies inside one bin, as an exact age does.

    Args:
        age_range: first and last age in years, such as [0, 116].
        edges: first year of each bin, rising whole numbers that start at `age_range[0]`.
        readout: the age to predict: centre of the most probable `bin` (centre of 20 to 29: 24.5), `expectation` over
            the bins' centres, or `median`, which has the least expected absolute error.

    Raises:
        AgeGenderError: if the edges do not rise from the first age to at most the last.
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
        rising = all(left < right for left, right in pairwise([*starts, self.last_age + 1]))
        if starts != list(edges) or starts[:1] != [self.first_age] or not rising:
            raise AgeGenderError(
                f"head.edges must be whole years that rise from the first age of age_range, {self.first_age}, to at "
                f"most the last, {self.last_age}; got {list(edges)}"
            )
        first = torch.tensor(starts, dtype=torch.float32)
        last = torch.tensor([start - 1 for start in starts[1:]] + [self.last_age], dtype=torch.float32)
        years = torch.arange(self.first_age, self.last_age + 1)
        self.classes = tuple(starts)
        self.readout = readout
        # Not in the checkpoint: the arguments say it all, and a wrong copy could not be noticed.
        self.register_buffer("first", first, persistent=False)
        self.register_buffer("last", last, persistent=False)
        self.register_buffer("bin_of_year", torch.bucketize(years, first, right=True) - 1, persistent=False)

    def interval_loss(self, output: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """Minus log of the probability inside the interval, up to a constant of the label, [B]."""
        low, high = low.floor().unsqueeze(1), high.floor().unsqueeze(1)
        years_inside = (torch.minimum(high, self.last) - torch.maximum(low, self.first) + 1).clamp_min(0)
        share = years_inside / (self.last - self.first + 1)
        share = share / share.amax(dim=1, keepdim=True)
        return -torch.logsumexp(output.log_softmax(dim=1) + share.log(), dim=1)

    def predict(self, output: Tensor) -> Tensor:
        """Age in years by the chosen read-out, [B]."""
        if self.readout == "median":
            return median(self.distribution(output), self.first_age)
        output = self.checked(output)
        centres = (self.first + self.last) / 2
        if self.readout == "bin":
            return centres[output.argmax(dim=1)]
        return expectation(output.softmax(dim=1), centres)

    def distribution(self, output: Tensor) -> Tensor:
        """Probabilities of whole years, [B, A]: those of the bins, spread evenly over their years."""
        per_year = self.checked(output).softmax(dim=1) / (self.last - self.first + 1)
        return per_year[:, self.bin_of_year]
