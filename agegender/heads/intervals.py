"""Mathematics that the age heads share: agreement with an interval of ages, and ages read from probabilities."""

import torch
from torch import Tensor


def distance(age: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Years from an age to the interval [low, high]; 0 inside it, |age - label| for an exact label. All [B]."""
    return (low - age).relu() + (age - high).relu()


def log_probability_inside(log_probabilities: Tensor, ages: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Log of the probability of the whole years from low to high, both floored, [B], from logs [B, A] at the ages [A]."""
    inside = (ages >= low.floor().unsqueeze(1)) & (ages <= high.floor().unsqueeze(1))
    return log_probabilities.where(inside, -torch.inf).logsumexp(dim=1)


def expectation(probabilities: Tensor, ages: Tensor) -> Tensor:
    """Expected age, [B], under probabilities [B, A] of the ages [A]."""
    return (probabilities * ages).sum(dim=1)  # not a matrix product: autocast would round that to bfloat16


def median(probabilities: Tensor, first_age: int) -> Tensor:
    """Median age, [B], under probabilities [B, A] of the whole years from `first_age` on.

    The median has the least expected absolute error. The probability of a year is spread evenly from half a year below
    to half a year above it, so the result moves smoothly with the probabilities, is the centre of a symmetric
    distribution, and lies within half a year of the discrete median.
    """
    up_to = probabilities.cumsum(dim=1)
    up_to = up_to / up_to[:, -1:]
    year = (up_to < 0.5).sum(dim=1, keepdim=True)  # index of the first year that reaches one half
    below = torch.where(year > 0, up_to.gather(1, (year - 1).clamp_min(0)), 0.0)
    inside = up_to.gather(1, year) - below
    return (first_age + year - 0.5 + (0.5 - below) / inside).squeeze(1)
