"""Learning-rate schedules.

``build`` returns the ``lr_scheduler`` entry for Lightning's ``configure_optimizers``. A schedule multiplies the learning
rate that each parameter group starts with. A run resumed with the state dicts of optimizer and scheduler has exactly
the learning rates of a run without interruption.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR, ReduceLROnPlateau

from agegender.training.setting_checks import require


@dataclass(frozen=True)
class Constant:
    """A linear warm-up, then the optimizer's learning rate.

    Args:
        warmup_epochs: Length of the warm-up in epochs; at most half of the run.

    Raises:
        AgeGenderError: A value is out of range.
    """

    warmup_epochs: float = 0.0

    def __post_init__(self) -> None:
        """Rejects values out of range."""
        require(self.warmup_epochs >= 0, "schedule.warmup_epochs", self.warmup_epochs, "at least 0")

    def build(self, optimizer: Optimizer, total_steps: int, steps_per_epoch: int) -> dict[str, Any]:
        """Creates the schedule.

        Args:
            optimizer: Has the highest learning rate of each parameter group.
            total_steps: Optimizer steps of the whole run.
            steps_per_epoch: Optimizer steps of an epoch.
        """
        warmup = _warmup_steps(self.warmup_epochs, total_steps, steps_per_epoch)
        return _every_step(optimizer, lambda step: min((step + 1) / (warmup + 1), 1.0))


@dataclass(frozen=True)
class Cosine:
    """A linear warm-up, then cosine decay (Loshchilov & Hutter 2017, without restarts).

    Args:
        warmup_epochs: Length of the warm-up in epochs; at most half of the run.
        end_scale: Learning rate at the end of the run as a multiple of the optimizer's.

    Raises:
        AgeGenderError: A value is out of range.
    """

    warmup_epochs: float = 1.0
    end_scale: float = 0.0

    def __post_init__(self) -> None:
        """Rejects values out of range."""
        require(self.warmup_epochs >= 0, "schedule.warmup_epochs", self.warmup_epochs, "at least 0")
        require(0 <= self.end_scale <= 1, "schedule.end_scale", self.end_scale, "from 0 to 1")

    def build(self, optimizer: Optimizer, total_steps: int, steps_per_epoch: int) -> dict[str, Any]:
        """Creates the schedule.

        Args:
            optimizer: Has the highest learning rate of each parameter group.
            total_steps: Optimizer steps of the whole run.
            steps_per_epoch: Optimizer steps of an epoch.
        """
        warmup = _warmup_steps(self.warmup_epochs, total_steps, steps_per_epoch)

        def scale(step: int) -> float:
            if step < warmup:
                return (step + 1) / (warmup + 1)
            progress = min((step - warmup) / max(total_steps - warmup, 1), 1.0)
            return self.end_scale + (1 - self.end_scale) * (1 + math.cos(math.pi * progress)) / 2

        return _every_step(optimizer, scale)


@dataclass(frozen=True)
class OneCycle:
    """One cycle: the learning rate rises to the optimizer's and falls again (Smith & Topin 2018).

    Args:
        pct_start: Fraction of the run in which the learning rate rises.
        div_factor: Ratio of the optimizer's learning rate to the initial one.
        final_div_factor: Ratio of the initial learning rate to the final one.
        cycle_momentum: Lower momentum (for Adam the first beta) from 0.95 to 0.85 while the learning rate rises, and
            raise it again while the learning rate falls.

    Raises:
        AgeGenderError: A value is out of range.
    """

    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    cycle_momentum: bool = True

    def __post_init__(self) -> None:
        """Rejects values out of range."""
        require(0 < self.pct_start < 1, "schedule.pct_start", self.pct_start, "above 0 and below 1")
        require(self.div_factor >= 1, "schedule.div_factor", self.div_factor, "at least 1")
        require(self.final_div_factor >= 1, "schedule.final_div_factor", self.final_div_factor, "at least 1")

    def build(self, optimizer: Optimizer, total_steps: int, steps_per_epoch: int) -> dict[str, Any]:
        """Creates the schedule.

        Args:
            optimizer: Has the highest learning rate of each parameter group.
            total_steps: Optimizer steps of the whole run.
            steps_per_epoch: Optimizer steps of an epoch.
        """
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
    """Lowers the learning rate when the run's ``monitor``, of which smaller is better, has stopped falling.

    The module steps this schedule at the end of validation, and Lightning does not. Lightning would step it after the
    epoch's checkpoint is saved, which would lack the step.

    Args:
        factor: The learning rate is multiplied by this number, below 1.
        patience: Epochs without improvement that are accepted; one more lowers the learning rate.
        threshold: Smallest relative improvement that counts.
        min_lr: Lowest learning rate.

    Raises:
        AgeGenderError: A value is out of range.
    """

    factor: float = 0.5
    patience: int = 3
    threshold: float = 1e-4
    min_lr: float = 0.0

    def __post_init__(self) -> None:
        """Rejects values out of range."""
        require(0 < self.factor < 1, "schedule.factor", self.factor, "above 0 and below 1")
        require(self.patience >= 0, "schedule.patience", self.patience, "at least 0")
        require(self.threshold >= 0, "schedule.threshold", self.threshold, "at least 0")
        require(self.min_lr >= 0, "schedule.min_lr", self.min_lr, "at least 0")

    def build(self, optimizer: Optimizer, total_steps: int, steps_per_epoch: int) -> dict[str, Any]:
        """Creates the schedule; ``total_steps`` and ``steps_per_epoch`` are not used."""
        scheduler = ReduceLROnPlateau(
            optimizer, factor=self.factor, patience=self.patience, threshold=self.threshold, min_lr=self.min_lr
        )
        # Lightning requires a monitor that is logged, but its value is not used.
        return {"scheduler": scheduler, "interval": "epoch", "monitor": "val/loss"}


def _every_step(optimizer: Optimizer, scale: Callable[[int], float]) -> dict[str, Any]:
    # LambdaLR computes the learning rate from the number of the step alone, so a resumed run has exactly the same.
    return {"scheduler": LambdaLR(optimizer, scale), "interval": "step"}


def _warmup_steps(epochs: float, total_steps: int, steps_per_epoch: int) -> int:
    return min(round(epochs * steps_per_epoch), total_steps // 2)
