"""Which weights of the backbone train in which epoch.

Everything follows from the number of the epoch and is decided anew as each epoch begins, so a run resumed at any epoch
is the run that never stopped. All weights that will ever train are in the optimizer from the start. While frozen they
have ``requires_grad`` off and so no gradient, and an optimizer passes over what has no gradient: no step, no weight
decay, no running means. (A learning rate of zero would freeze as well, but would pay for the whole backward pass, let
frozen gradients count when gradients are clipped, and fill Adam's means before the first step.)

Learning rates of parts and depths are the optimizer's business: ``backbone_lr_scale`` and ``layer_decay``.
"""

import math
from collections.abc import Iterable
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.nn.modules.conv import _ConvNd

from agegender.data.datamodule import FaceDataModule
from agegender.errors import AgeGenderError
from agegender.models.base import Backbone
from agegender.training.finetuning.freezing import Freezing, Groups
from agegender.training.setting_checks import must


class Frozen(Freezing):
    """Keeps the whole backbone as it is; trunk, towers and heads train.

    Args:
        views: See ``Freezing``.
    """

    key = "finetune.frozen"

    def __init__(self, views: int | None = None) -> None:
        super().__init__(math.inf, views)

    def training(self, backbone: Backbone, groups: Groups, epoch: float) -> list[str]:
        """None."""
        return []


class TwoStage(Freezing):
    """First trunk, towers and heads alone, then the end of the backbone too, all at a lower learning rate.

    The first stage has the optimizer's learning rate and weight decay. In the second both change: every parameter
    group keeps its ratio to the others, and a schedule, which spans the whole run, multiplies the new rates.

    Args:
        epochs: Length of the first stage.
        layers: How many of the backbone's weight layers (convolutions and linear layers) train in the second, counted
            from the end, with all that follows the first of them, norms for instance; None for the whole backbone.
        lr: Learning rate of the second stage, in place of ``optimizer.lr``.
        weight_decay: Of the second stage.
        views: See ``Freezing``; in the first stage.
    """

    key = "finetune.two_stage"

    def __init__(
        self,
        epochs: int = 10,
        layers: int | None = 4,
        lr: float = 1e-5,
        weight_decay: float = 1e-6,
        views: int | None = None,
    ) -> None:
        must(epochs >= 0, f"{self.key}.epochs", epochs, "at least 0")
        must(layers is None or layers >= 1, f"{self.key}.layers", layers, "at least 1, or null")
        must(lr > 0, f"{self.key}.lr", lr, "above 0")
        must(weight_decay >= 0, f"{self.key}.weight_decay", weight_decay, "at least 0")
        super().__init__(epochs, views)
        self.layers = layers
        self.lr = lr
        self.weight_decay = weight_decay

    def training(self, backbone: Backbone, groups: Groups, epoch: float) -> list[str]:
        """None in the first stage; then the last layers."""
        if epoch < self.frozen_epochs:
            return []
        names = [name for group in groups for name in group]
        return names if self.layers is None else last_layers(backbone, names, self.layers)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Freezes, thaws and sets the rates of the second stage."""
        super().on_train_epoch_start(trainer, pl_module)
        if trainer.current_epoch >= self.frozen_epochs:
            _change_rates(trainer, self.lr / pl_module.optimizer.lr, self.weight_decay)


class Gradual(Freezing):
    """Thaws the backbone from its end, one depth group after the other.

    Gradual unfreezing: Howard & Ruder, "Universal Language Model Fine-tuning for Text Classification", ACL 2018. There
    it starts with the classifier alone, as here.

    Args:
        epochs: Until the first group trains, and from one group to the next.
        views: See ``Freezing``; until the first group trains.
    """

    key = "finetune.gradual"

    def __init__(self, epochs: int = 1, views: int | None = None) -> None:
        must(epochs >= 1, f"{self.key}.epochs", epochs, "at least 1")
        super().__init__(epochs, views)

    def training(self, backbone: Backbone, groups: Groups, epoch: float) -> list[str]:
        """The groups that have had their turn."""
        count = int(min(epoch // self.frozen_epochs, len(groups))) if math.isfinite(epoch) else len(groups)
        return [name for group in groups[len(groups) - max(count, 0) :] for name in group]


def last_layers(backbone: nn.Module, names: list[str], count: int) -> list[str]:
    """The names from the count-th last weight layer on.

    Args:
        backbone: Whose parameters they are.
        names: Parameters, those nearest the image first.
        count: Number of weight layers: convolutions and linear layers.

    Raises:
        AgeGenderError: There are not as many.
    """
    starts = [
        index
        for index, name in enumerate(names)
        if name.endswith(".weight") and isinstance(backbone.get_submodule(name[: -len(".weight")]), _ConvNd | nn.Linear)
    ]
    if count > len(starts):
        raise AgeGenderError(f"finetune.two_stage.layers={count}: must be at most {len(starts)}, the backbone's weight layers")
    return names[starts[-count] :]


def plan(callbacks: Iterable[Callback], module: Any, data: FaceDataModule) -> None:
    """Has those that freeze look at what they will freeze, before any work on the data.

    Raises:
        AgeGenderError: As ``Freezing.plan``.
    """
    for callback in callbacks:
        if isinstance(callback, Freezing):
            callback.plan(module, data)


def ddp_strategy(strategy: str, callbacks: Iterable[Callback]) -> str:
    """The Trainer's strategy: distributed training must know when weights will be without gradient in some epochs."""
    thawing = any(isinstance(callback, Freezing) and math.isfinite(callback.frozen_epochs) for callback in callbacks)
    return "ddp_find_unused_parameters_true" if strategy == "ddp" and thawing else strategy


def _change_rates(trainer: L.Trainer, scale: float, weight_decay: float) -> None:
    """Scales all learning rates, and what a schedule started from, against those of the beginning; twice is as once."""
    (optimizer,) = trainer.optimizers
    for group in optimizer.param_groups:
        ratio = scale / group.get("stage_scale", 1.0)  # saved with the optimizer's state
        group["stage_scale"] = scale
        for rate in ("lr", "initial_lr", "max_lr", "min_lr"):  # the latter are OneCycleLR's
            if rate in group:
                group[rate] *= ratio
        if group["name"].endswith("/decay"):
            group["weight_decay"] = weight_decay
    for config in trainer.lr_scheduler_configs:
        if hasattr(config.scheduler, "base_lrs"):  # LambdaLR computes from these alone
            config.scheduler.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
