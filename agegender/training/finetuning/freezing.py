"""Freezes some weights of the backbone, epoch by epoch: the base class of the fine-tuning methods."""

import itertools
import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from agegender.data.datamodule import FaceDataModule
from agegender.errors import AgeGenderError
from agegender.models.base import Backbone
from agegender.training.finetuning.frozen_features import use_cached_features
from agegender.training.setting_checks import require

log = logging.getLogger(__name__)

Groups = list[list[str]]  # names of parameters by depth, those nearest the image first


class Freezing(Callback, ABC):
    """Freezes some weights of the backbone in each epoch.

    A frozen module is in evaluation mode: batch norm statistics do not change and dropout is off.

    Consecutive epochs in which the same weights train are a stage. Early stopping and a plateau schedule count epochs
    without improvement from the beginning of the current stage.

    Args:
        frozen_epochs: Number of epochs, from the first, in which the whole backbone is frozen; infinite for all epochs.
        views: Number of augmented views of each training face to cache the features of while the whole backbone is
            frozen; 0 caches none. If None, features are cached only with ``augment=none``, where they are the same in
            every epoch.

    Attributes:
        key: Name of the settings in messages, such as ``finetune.gradual``.
    """

    key: str

    def __init__(self, frozen_epochs: float, views: int | None) -> None:
        require(views is None or views >= 0, f"{self.key}.views", views, "at least 0, or null")
        self.frozen_epochs = frozen_epochs
        self.views = views
        self._finished_epochs = 0

    @abstractmethod
    def trainable_names(self, backbone: Backbone, groups: Groups, epoch: float) -> list[str]:
        """Names of the backbone's parameters that train in an epoch.

        Args:
            backbone: The backbone.
            groups: Names of the parameters that affect the output, by depth.
            epoch: Counted from 0; infinity returns the parameters that train in any epoch.

        Raises:
            AgeGenderError: The backbone has fewer layers than the settings name.
        """

    def check(self, module: Any, data: FaceDataModule) -> None:
        """Checks the settings against the backbone and the loader, and changes nothing.

        Args:
            module: An ``AgeGenderModule``.
            data: Need not be set up.

        Raises:
            AgeGenderError: The backbone has fewer layers than the settings name, or features cannot be cached.
        """
        if self.views and data.cache_dir is None:
            raise AgeGenderError(
                f"{self.key}.views={self.views}: features are cached on disk, which loader.cache=none turns off. Allowed "
                f"with loader.cache=none: {self.key}.views=0 or null, which run the backbone in every epoch"
            )
        backbone = module.network.backbone
        self.trainable_names(backbone, groups_with_gradient(backbone), math.inf)

    def setup(self, trainer: L.Trainer, pl_module: Any, stage: str) -> None:
        """Freezes the weights that never train, before the optimizer and distributed training are set up."""
        if stage != "fit":
            return
        self.check(pl_module, trainer.datamodule)  # type: ignore[attr-defined]
        backbone = pl_module.network.backbone
        self._groups = groups_with_gradient(backbone)
        self._ever = self.trainable_names(backbone, self._groups, math.inf)
        self._let_train(backbone, self._ever)

    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Reads the number of epochs that a resumed run has finished."""
        self._finished_epochs = checkpoint["epoch"] + 1

    def on_fit_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Caches the features of a frozen backbone, and warns if the settings have no effect or freeze random weights."""
        epochs = trainer.max_epochs
        if self._ever and epochs is not None and 0 <= epochs <= self.frozen_epochs:
            log.warning(
                "%s.epochs=%d: no weight of the backbone will train, since the run ends before, with trainer.max_epochs=%d",
                self.key, self.frozen_epochs, epochs,
            )  # fmt: skip
        if self.frozen_epochs and not self._finished_epochs and pl_module.random_backbone:
            log.warning(
                "%s freezes a backbone with random weights. Start from pretrained weights with backbone.pretrained=true or "
                "backbone.weights=FILE", self.key,
            )  # fmt: skip
        data = trainer.datamodule  # type: ignore[attr-defined]
        use_cached_features(trainer, pl_module, data, self.views, self.frozen_epochs, self._finished_epochs, self.key)
        pl_module.network.backbone.train()  # until the epoch begins: Lightning warns of modules in evaluation mode

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Freezes and unfreezes the weights for this epoch."""
        backbone, epoch = pl_module.network.backbone, trainer.current_epoch
        names = self.trainable_names(backbone, self._groups, epoch)
        self._let_train(backbone, names)
        _set_modes(backbone, bool(names))
        if names != self.trainable_names(backbone, self._groups, epoch - 1):
            count = sum(backbone.get_parameter(name).numel() for name in names)
            log.info("from epoch %d: %d weights of the backbone train, starting with %s", epoch + 1, count, names[0])
            _reset_patience(trainer)
            if names == self._ever and trainer.world_size > 1:
                log.info("ignore a warning of PyTorch about find_unused_parameters=True: earlier epochs needed it")

    def on_train_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Logs whether the run ended before its last stage."""
        backbone, done = pl_module.network.backbone, trainer.current_epoch
        last = self.trainable_names(backbone, self._groups, done - 1)
        if done and last != self._ever:
            then = next(e for e in itertools.count(done) if self.trainable_names(backbone, self._groups, e) != last)
            log.log(
                logging.WARNING if trainer.should_stop else logging.INFO,
                "%s: the run ended after epoch %d%s; more of the backbone would have trained from epoch %d on",
                self.key, done, ", stopped early" if trainer.should_stop else "", then + 1,
            )  # fmt: skip

    def _let_train(self, backbone: Backbone, names: Iterable[str]) -> None:
        chosen = set(names)
        for name in (name for group in self._groups for name in group):
            backbone.get_parameter(name).requires_grad_(name in chosen)


def groups_with_gradient(backbone: Backbone) -> Groups:
    """Names of the parameters that require gradients, by depth.

    Before anything is frozen these are the parameters that affect the output.
    """
    trainable = {name for name, parameter in backbone.named_parameters() if parameter.requires_grad}
    groups = [[name for name in group if name in trainable] for group in backbone.depth_groups()]
    return [group for group in groups if group]


def _set_modes(module: nn.Module, training: bool) -> None:
    """Puts frozen modules into evaluation mode; one without parameters, such as dropout, follows its parent."""
    parameters = list(module.parameters())
    if parameters:
        training = any(parameter.requires_grad for parameter in parameters)
    module.training = training
    for child in module.children():
        _set_modes(child, training)


def _reset_patience(trainer: L.Trainer) -> None:
    for stopping in trainer.early_stopping_callbacks:
        stopping.wait_count = 0
    for config in trainer.lr_scheduler_configs:
        if isinstance(config.scheduler, ReduceLROnPlateau):
            config.scheduler.num_bad_epochs = 0
