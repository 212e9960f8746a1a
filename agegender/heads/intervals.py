"""Shared functions of the age heads: distance to an age interval, probability inside it, mean and median age."""

import torch
from torch import Tensor


def distance(age: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Distance in years from an age to the interval [low, high], all [B]: 0 inside, |age - label| for an exact label.

    Examples:
        >>> distance(torch.tensor([25.0, 35.0]), torch.tensor([20.0, 20.0]), torch.tensor([29.0, 29.0]))
        tensor([0., 6.])
    """
    return (low - age).relu() + (age - high).relu()


def log_probability_inside(log_probabilities: Tensor, ages: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Log of the total probability of the whole years from low to high, [B].

    Args:
        log_probabilities: Log probability of each age, [B, A].
        ages: Whole years, [A].
        low: Lower end in years, [B], rounded down.
        high: Upper end in years, included, [B], rounded down.

    Examples:
        >>> log_probabilities = torch.tensor([[0.1, 0.2, 0.3, 0.4]]).log()
        >>> years = torch.arange(4.0)
        >>> log_probability_inside(log_probabilities, years, torch.tensor([2.0]), torch.tensor([3.9])).exp()
        tensor([0.7000])
    """
    inside = (ages >= low.floor().unsqueeze(1)) & (ages <= high.floor().unsqueeze(1))
    return log_probabilities.where(inside, -torch.inf).logsumexp(dim=1)


def expectation(probabilities: Tensor, ages: Tensor) -> Tensor:
    """Expected age, [B], from the probabilities [B, A] of the ages [A].

    Examples:
        >>> expectation(torch.tensor([[0.5, 0.25, 0.25]]), torch.tensor([20.0, 21.0, 22.0]))
        tensor([20.7500])
    """
    return (probabilities * ages).sum(dim=1)  # autocast would compute a matrix product in bfloat16


def median(probabilities: Tensor, first_age: int) -> Tensor:
    """Median age, [B], from the probabilities [B, A] of the whole years from `first_age` on.

    The median minimises the expected absolute error. The probability of a year is spread evenly from half a year below
    to half a year above it. The result is therefore continuous in the probabilities, equals the centre of a symmetric
    distribution, and differs from the discrete median by at most half a year.

    Examples:
        >>> median(torch.tensor([[0.25, 0.5, 0.25]]), first_age=20)
        tensor([21.])
    """
    up_to = probabilities.cumsum(dim=1)
    up_to = up_to / up_to[:, -1:]
    year = (up_to < 0.5).sum(dim=1, keepdim=True)  # index of the first year that reaches one half
    below = torch.where(year > 0, up_to.gather(1, (year - 1).clamp_min(0)), 0.0)
    inside = up_to.gather(1, year) - below
    return (first_age + year - 0.5 + (0.5 - below) / inside).squeeze(1)
