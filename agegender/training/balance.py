"""Combines the losses of the tasks into the one loss that is minimised."""

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
        """Adds up the weighted losses.

        Args:
            losses: Mean loss of each task, one or more; zero for a task without labels in the batch.
            labelled: Not used.
        """
        return torch.stack([self.weights[task] * loss for task, loss in losses.items()]).sum()


class Uncertainty(nn.Module):
    """Learned weights: the sum of exp(-s) L + s / 2 over the tasks, where s = log sigma^2 is a parameter of each task.

    Kendall, Gal & Cipolla, "Multi-Task Learning Using Uncertainty to Weigh Losses", CVPR 2018. The paper multiplies a
    classification loss by exp(-s) and a squared error by exp(-s) / 2. Here every loss is multiplied by exp(-s). The
    optimum is then s = log(2 L) instead of log(L). The weight of the loss at the optimum is 1 / (2 L) in both cases.

    If a batch has no label for a task, the s of that task does not move. Otherwise it would fall without limit.

    Args:
        age: Initial s of age.
        gender: Initial s of gender.
        log_variance_range: Lowest and highest s. Before each step s is clamped to this range, so that a value at the
            limit still has a gradient and can come back.
    """

    def __init__(self, age: float = 0.0, gender: float = 0.0, log_variance_range: Sequence[float] = (-10.0, 10.0)) -> None:
        super().__init__()
        self.log_variance_range = tuple(log_variance_range)
        self.log_variances = nn.ParameterDict(
            {task: nn.Parameter(torch.tensor(float(value))) for task, value in (("age", age), ("gender", gender))}
        )

    def forward(self, losses: Mapping[str, Tensor], labelled: Mapping[str, Tensor] | None = None) -> Tensor:
        """Adds up the weighted losses.

        Args:
            losses: Mean loss of each task, one or more.
            labelled: For each task whether any face of the batch has a label, over all ranks: one rank may have none
                while another has some. If None, a task with a loss of exactly zero counts as unlabelled.
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
                terms.append(0 * log_variance)  # distributed training needs a gradient for every parameter
        return torch.stack(terms).sum()
