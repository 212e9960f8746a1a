"""Fine-tuning methods: which weights of the backbone train in which epoch.

The trainable weights depend on the number of the epoch alone and are set again at the start of each epoch. So a run
resumed at any epoch trains exactly as a run without interruption.

All weights that train in any epoch are in the optimizer from the start. While frozen they have ``requires_grad`` off
and no gradient, so the optimizer skips them: no step, no weight decay, no running means. (A learning rate of zero would
freeze them too, but it would pay for the whole backward pass, clip gradients by a norm that includes the frozen ones,
and fill Adam's running means before the first step.)

Separate learning rates of backbone and depths are settings of the optimizer: ``backbone_lr_scale``, ``layer_decay``.
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
from agegender.training.setting_checks import require


class Frozen(Freezing):
    """Freezes the whole backbone in all epochs; trunk, towers and heads train.

    Args:
        views: Number of augmented views of each training face to cache the features of; 0 caches none, None caches features
            with ``augment=none`` only.
    """

    key = "finetune.frozen"

    def __init__(self, views: int | None = None) -> None:
        super().__init__(math.inf, views)

    def trainable_names(self, backbone: Backbone, groups: Groups, epoch: float) -> list[str]:
        """No names."""
        return []


class TwoStage(Freezing):
    """Trains trunk, towers and heads first, then the last layers of the backbone too, at lower learning rates.

    The first stage has the optimizer's learning rate and weight decay. In the second stage both change. The ratios
    between the learning rates of the parameter groups stay the same. A schedule spans the whole run; in the second stage
    it multiplies the new learning rates.

    Args:
        epochs: Length of the first stage.
        layers: Number of weight layers (convolutions and linear layers) of the backbone that train in the second stage,
            counted from its end. Everything after the first of them, such as norms, trains too. None for the whole
            backbone.
        lr: Learning rate of the second stage, in place of ``optimizer.lr``.
        weight_decay: Weight decay of the second stage.
        views: Number of augmented views to cache the features of in the first stage, as for ``Frozen``.
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
        require(epochs >= 0, f"{self.key}.epochs", epochs, "at least 0")
        require(layers is None or layers >= 1, f"{self.key}.layers", layers, "at least 1, or null")
        require(lr > 0, f"{self.key}.lr", lr, "above 0")
        require(weight_decay >= 0, f"{self.key}.weight_decay", weight_decay, "at least 0")
        super().__init__(epochs, views)
        self.layers = layers
        self.lr = lr
        self.weight_decay = weight_decay

    def trainable_names(self, backbone: Backbone, groups: Groups, epoch: float) -> list[str]:
        """No names in the first stage, those of the last layers in the second."""
        if epoch < self.frozen_epochs:
            return []
        names = [name for group in groups for name in group]
        return names if self.layers is None else last_layers(backbone, names, self.layers)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Freezes and unfreezes, and sets learning rates and weight decay of the second stage."""
        super().on_train_epoch_start(trainer, pl_module)
        if trainer.current_epoch >= self.frozen_epochs:
            _change_rates(trainer, self.lr / pl_module.optimizer.lr, self.weight_decay)


class Gradual(Freezing):
    """Unfreezes the backbone from its end, one depth group after the other.

    Gradual unfreezing: Howard & Ruder, "Universal Language Model Fine-tuning for Text Classification", ACL 2018. As
    there, only the heads (with trunk and towers) train at first.

    Args:
        epochs: Number of epochs before the first depth group trains, and between one group and the next.
        views: Number of augmented views to cache the features of before the first depth group trains, as for ``Frozen``.
    """

    key = "finetune.gradual"

    def __init__(self, epochs: int = 1, views: int | None = None) -> None:
        require(epochs >= 1, f"{self.key}.epochs", epochs, "at least 1")
        super().__init__(epochs, views)

    def trainable_names(self, backbone: Backbone, groups: Groups, epoch: float) -> list[str]:
        """Names of the depth groups that are unfrozen by this epoch."""
        count = int(min(epoch // self.frozen_epochs, len(groups))) if math.isfinite(epoch) else len(groups)
        return [name for group in groups[len(groups) - max(count, 0) :] for name in group]


def last_layers(backbone: nn.Module, names: list[str], count: int) -> list[str]:
    """Names from the count-th last weight layer to the end.

    Args:
        backbone: The module that has the parameters.
        names: Names of parameters, those nearest the image first.
        count: Number of weight layers: convolutions and linear layers.

    Raises:
        AgeGenderError: There are fewer weight layers.
    """
    starts = [
        index
        for index, name in enumerate(names)
        if name.endswith(".weight") and isinstance(backbone.get_submodule(name[: -len(".weight")]), _ConvNd | nn.Linear)
    ]
    if count > len(starts):
        raise AgeGenderError(f"finetune.two_stage.layers={count}: must be at most {len(starts)}, the backbone's weight layers")
    return names[starts[-count] :]


def check_freezing(callbacks: Iterable[Callback], module: Any, data: FaceDataModule) -> None:
    """Checks the settings of all fine-tuning callbacks, before any work on the data.

    Raises:
        AgeGenderError: As ``Freezing.check``.
    """
    for callback in callbacks:
        if isinstance(callback, Freezing):
            callback.check(module, data)


def ddp_strategy(strategy: str, callbacks: Iterable[Callback]) -> str:
    """The Trainer's strategy; distributed training needs another one if some weights train in some epochs only."""
    unfreezes = any(isinstance(callback, Freezing) and math.isfinite(callback.frozen_epochs) for callback in callbacks)
    return "ddp_find_unused_parameters_true" if strategy == "ddp" and unfreezes else strategy


def _change_rates(trainer: L.Trainer, scale: float, weight_decay: float) -> None:
    """Multiplies the learning rates of the first stage, and the base rates of the schedule; sets the weight decay.

    A second call with the same values changes nothing.
    """
    (optimizer,) = trainer.optimizers
    for group in optimizer.param_groups:
        ratio = scale / group.get("stage_scale", 1.0)  # saved with the optimizer's state
        group["stage_scale"] = scale
        for rate in ("lr", "initial_lr", "max_lr", "min_lr"):  # max_lr and min_lr: OneCycleLR
            if rate in group:
                group[rate] *= ratio
        if group["name"].endswith("/decay"):
            group["weight_decay"] = weight_decay
    for config in trainer.lr_scheduler_configs:
        if hasattr(config.scheduler, "base_lrs"):  # LambdaLR computes from these alone
            config.scheduler.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
