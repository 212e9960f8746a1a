"""How the losses of several tasks become the one number that is minimised."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


class Fixed(nn.Module):
    """A weighted sum with constant weights.

    Args:
        age: Weight of the age loss.
        gender: Weight of the gender loss.
    """

    def __init__(self, age: float = 1.0, gender: float = 1.0) -> None:
        super().__init__()
        self.weights = {"age": age, "gender": gender}

    def forward(self, losses: Mapping[str, Tensor], labelled: Mapping[str, Tensor] | None = None) -> Tensor:
        """Sums the weighted losses of the tasks given, one or more; of a task without labels the loss is zero."""
        return torch.stack([self.weights[task] * loss for task, loss in losses.items()]).sum()


class Uncertainty(nn.Module):
    """Weights learned as the uncertainty of each task: the sum of exp(-s) L + s / 2 with one s = log sigma^2 a task.

    Kendall, Gal & Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses", CVPR 2018. There a classification
    loss gets the factor exp(-s) and a squared error exp(-s) / 2; here every loss gets exp(-s), since the factor only
    moves the optimum s = log 2 L by a constant and leaves the weight there, 1 / (2 L), as it is.

    A task without any label in the batch moves no s, which would otherwise fall for ever.

    Args:
        age: Initial s of age.
        gender: Initial s of gender.
        log_variance_range: Lowest and highest s. Each step starts from inside the range, so that an s at its end is
            free to return.
    """

    def __init__(self, age: float = 0.0, gender: float = 0.0, log_variance_range: Sequence[float] = (-10.0, 10.0)) -> None:
        super().__init__()
        self.log_variance_range = tuple(log_variance_range)
        self.log_variances = nn.ParameterDict(
            {task: nn.Parameter(torch.tensor(float(value))) for task, value in (("age", age), ("gender", gender))}
        )

    def forward(self, losses: Mapping[str, Tensor], labelled: Mapping[str, Tensor] | None = None) -> Tensor:
        """Sums the weighted losses of the tasks given, one or more.

        Args:
            losses: A mean a task.
            labelled: Whether any face of the batch has a label for the task, seen by any process: one process may see
                none while another does. By default a loss of exactly zero has none.
        """
        low, high = self.log_variance_range
        terms = []
        for task, log_variance in self.log_variances.items():
            with torch.no_grad():
                log_variance.clamp_(low, high)
            if task in losses:
                known = (losses[task].detach() != 0 if labelled is None else labelled[task]).to(log_variance.dtype)
                terms.append(losses[task] * torch.exp(-log_variance) + known * log_variance / 2)
            else:
                terms.append(0 * log_variance)  # distributed training misses a parameter without gradient
        return torch.stack(terms).sum()
