"""The loss of each task over the faces that have a label for it."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def loss_sums(
    heads: Any, outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Adds up the losses of a batch.

    Unknown labels are replaced by arbitrary valid ones, and their loss is multiplied by zero. So each sum depends on the
    weights even if no face of the batch has a label, which DDP requires.

    Args:
        heads: The head of each task, by task.
        outputs: Output of each task's head.
        batch: ``age_low`` and ``age_high`` in years, [B], NaN where unknown; ``gender``, [B], -1 where unknown.

    Returns:
        For each task the sum of the losses of labelled faces, and the number of these faces.
    """
    losses, known = {}, {}
    if "age" in outputs:
        known["age"] = batch["age_low"].isfinite()
        low, high = (torch.nan_to_num(batch[key], nan=0.0) for key in ("age_low", "age_high"))
        losses["age"] = heads["age"].loss(outputs["age"], low, high)
    if "gender" in outputs:
        known["gender"] = batch["gender"] >= 0
        losses["gender"] = heads["gender"].loss(outputs["gender"], batch["gender"].clamp(min=0))
    return {t: (losses[t] * known[t]).sum() for t in losses}, {t: known[t].sum() for t in losses}


def means_over_ranks(sums: Mapping[str, Tensor], counts: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Divides the sums of this rank by the mean number of labelled faces of all ranks.

    DDP averages the gradients of the ranks. With these means the average is the gradient of one process that has the
    faces of all ranks.

    Returns:
        Two dictionaries by task: the mean loss (0 without labels), and whether any rank has a labelled face.
    """
    number = torch.stack([counts[task] for task in sums]).float()
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(number, op=torch.distributed.ReduceOp.SUM)
        number = number / torch.distributed.get_world_size()
    divisor = torch.where(number > 0, number, 1.0)
    return {t: sums[t] / divisor[i] for i, t in enumerate(sums)}, {t: number[i] > 0 for i, t in enumerate(sums)}
