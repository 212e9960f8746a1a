"""How the learning rate changes in the course of a run.

``build`` gives the ``lr_scheduler`` entry of what Lightning's ``configure_optimizers`` returns. Each parameter group
keeps its own learning rate: schedules multiply it. Stopping and resuming with the state dicts of optimizer and
scheduler continues exactly.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR, ReduceLROnPlateau

from agegender.training.setting_checks import must


@dataclass(frozen=True)
class Constant:
    """The optimizer's learning rate, after a linear warm-up.

    Args:
        warmup_epochs: Length of the warm-up in epochs; at most half of the run.

    Raises:
        AgeGenderError: A value is out of range.
    """

    warmup_epochs: float = 0.0

    def __post_init__(self) -> None:
        """Refuses impossible values."""
        must(self.warmup_epochs >= 0, "schedule.warmup_epochs", self.warmup_epochs, "at least 0")

    def build(self, optimizer: Optimizer, total_steps: int, steps_per_epoch: int) -> dict[str, Any]:
        """Makes the schedule; both numbers count optimizer steps."""
        warmup = _warmup_steps(self.warmup_epochs, total_steps, steps_per_epoch)
        return _every_step(optimizer, lambda step: min((step + 1) / (warmup + 1), 1.0))


@dataclass(frozen=True)
class Cosine:
    """Linear warm-up, then half a cosine down (Loshchilov & Hutter 2017, without restarts).

    Args:
        warmup_epochs: Length of the warm-up in epochs; at most half of the run.
        end_scale: Learning rate at the end of the run as a multiple of the optimizer's.

    Raises:
        AgeGenderError: A value is out of range.
    """

    warmup_epochs: float = 1.0
    end_scale: float = 0.0

    def __post_init__(self) -> None:
        """Refuses impossible values."""
        must(self.warmup_epochs >= 0, "schedule.warmup_epochs", self.warmup_epochs, "at least 0")
        must(0 <= self.end_scale <= 1, "schedule.end_scale", self.end_scale, "from 0 to 1")

    def build(self, optimizer: Optimizer, total_steps: int, steps_per_epoch: int) -> dict[str, Any]:
        """Makes the schedule; both numbers count optimizer steps."""
        warmup = _warmup_steps(self.warmup_epochs, total_steps, steps_per_epoch)

        def scale(step: int) -> float:
            if step < warmup:
                return (step + 1) / (warmup + 1)
            progress = min((step - warmup) / max(total_steps - warmup, 1), 1.0)
            return self.end_scale + (1 - self.end_scale) * (1 + math.cos(math.pi * progress)) / 2

        return _every_step(optimizer, scale)


@dataclass(frozen=True)
class OneCycle:
    """Up to the optimizer's learning rate and down again, momentum going the other way (Smith & Topin 2018).

    Args:
        pct_start: Fraction of the run that goes up.
        div_factor: The optimizer's learning rate divided by the first.
        final_div_factor: The first learning rate divided by the last.
        cycle_momentum: Lower momentum (Adam: the first beta) from 0.95 to 0.85 and back while the learning rate rises
            and falls.

    Raises:
        AgeGenderError: A value is out of range.
    """

    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    cycle_momentum: bool = True

    def __post_init__(self) -> None:
        """Refuses impossible values."""
        must(0 < self.pct_start < 1, "schedule.pct_start", self.pct_start, "above 0 and below 1")
        must(self.div_factor >= 1, "schedule.div_factor", self.div_factor, "at least 1")
        must(self.final_div_factor >= 1, "schedule.final_div_factor", self.final_div_factor, "at least 1")

    def build(self, optimizer: Optimizer, total_steps: int, steps_per_epoch: int) -> dict[str, Any]:
        """Makes the schedule; both numbers count optimizer steps."""
        scheduler = OneCycleLR(
            optimizer,
            max_lr=[group["lr"] for group in optimizer.param_groups],
            total_steps=total_steps,
            pct_start=self.pct_start,
            div_factor=self.div_factor,
            final_div_factor=self.final_div_factor,
            cycle_momentum=self.cycle_momentum,
        )
        return {"scheduler": scheduler, "interval": "step"}


@dataclass(frozen=True)
class Plateau:
    """Lowers the learning rate when a figure, of which smaller is better, has stopped falling.

    Lightning would step it after the epoch's checkpoint is written, which then lacks that step. So the module steps it
    at the end of validation, with the fresh value of the run's monitor, and tells Lightning not to.

    Args:
        factor: What the learning rate is multiplied with, below 1.
        patience: Epochs without improvement before that.
        threshold: Smallest relative improvement that counts.
        min_lr: Where the learning rate stays.

    Raises:
        AgeGenderError: A value is out of range.
    """

    factor: float = 0.5
    patience: int = 3
    threshold: float = 1e-4
    min_lr: float = 0.0

    def __post_init__(self) -> None:
        """Refuses impossible values."""
        must(0 < self.factor < 1, "schedule.factor", self.factor, "above 0 and below 1")
        must(self.patience >= 0, "schedule.patience", self.patience, "at least 0")
        must(self.threshold >= 0, "schedule.threshold", self.threshold, "at least 0")
        must(self.min_lr >= 0, "schedule.min_lr", self.min_lr, "at least 0")

    def build(self, optimizer: Optimizer, total_steps: int, steps_per_epoch: int) -> dict[str, Any]:
        """Makes the schedule, which needs neither number."""
        scheduler = ReduceLROnPlateau(
            optimizer, factor=self.factor, patience=self.patience, threshold=self.threshold, min_lr=self.min_lr
        )
        # Lightning insists on a monitor, and on finding it; the value is never used.
        return {"scheduler": scheduler, "interval": "epoch", "monitor": "val/loss"}


def _every_step(optimizer: Optimizer, scale: Callable[[int], float]) -> dict[str, Any]:
    # LambdaLR computes each learning rate from the step alone, so nothing can drift when a run is resumed.
    return {"scheduler": LambdaLR(optimizer, scale), "interval": "step"}


def _warmup_steps(epochs: float, total_steps: int, steps_per_epoch: int) -> int:
    return min(round(epochs * steps_per_epoch), total_steps // 2)
