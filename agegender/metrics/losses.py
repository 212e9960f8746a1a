"""Mean loss of each task over an epoch."""

from collections.abc import Mapping, Sequence

import torch
import torchmetrics
from torch import Tensor


class RunningLosses(torchmetrics.Metric):
    """Sums of the losses of labelled faces and their number, over all processes.

    Args:
        tasks: Of ``age`` and ``gender``.
    """

    full_state_update = False
    sums: Tensor  # [2, tasks]: losses, faces

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self.add_state("sums", torch.zeros(2, len(self.tasks)), dist_reduce_fx="sum")

    def update(self, sums: Mapping[str, Tensor], counts: Mapping[str, Tensor]) -> None:
        """Adds one batch: for each task the sum of the losses of labelled faces, and the number of these faces."""
        rows = [torch.stack([value[task].detach().float() for task in self.tasks]) for value in (sums, counts)]
        self.sums += torch.stack(rows)

    def compute(self) -> dict[str, Tensor]:
        """Mean loss by task; zero for a task without labels, as in training."""
        return dict(zip(self.tasks, self.sums[0] / self.sums[1].clamp(min=1), strict=True))
