"""Loss of an epoch for each task, from running sums over the faces that have a label for it."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torchmetrics import Metric


class RunningLosses(Metric):
    """Sums of per-face losses and their number, a column a task, over all processes together."""

    full_state_update = False
    sums: Tensor

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self.add_state("sums", torch.zeros(2, len(self.tasks)), dist_reduce_fx="sum")

    def update(self, sums: Mapping[str, Tensor], counts: Mapping[str, Tensor]) -> None:
        """Adds one batch: for each task the sum of its losses over labelled faces and how many these are."""
        rows = [torch.stack([value[task].detach().float() for task in self.tasks]) for value in (sums, counts)]
        self.sums += torch.stack(rows)

    def compute(self) -> dict[str, Tensor]:
        """Mean loss for each task; zero for a task without any label, as in training."""
        return dict(zip(self.tasks, self.sums[0] / self.sums[1].clamp(min=1), strict=True))
