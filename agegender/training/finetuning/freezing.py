"""Keeping part of the backbone as it is, epoch by epoch."""

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
from agegender.training.finetuning.frozen_features import remember_features
from agegender.training.setting_checks import must

log = logging.getLogger(__name__)

Groups = list[list[str]]  # names of parameters by depth, those nearest the image first


class Freezing(Callback, ABC):
    """Keeps part of the backbone as it is, batch norm statistics included, without its dropout; the rest trains.

    Epochs in which the same weights train are a stage. Early stopping and a plateau schedule count anew in each: their
    patience is with what trains now.

    Args:
        frozen_epochs: Epochs, from the first, in which nothing of the backbone trains; infinite if it never does.
        views: Of how many augmented views of each training face to remember the features while nothing of the backbone
            trains; 0 for never. None remembers them where that changes nothing: with augment=none, when one view is all
            there is.

    Attributes:
        key: What the settings are called in messages.
    """

    key: str

    def __init__(self, frozen_epochs: float, views: int | None) -> None:
        must(views is None or views >= 0, f"{self.key}.views", views, "at least 0, or null")
        self.frozen_epochs = frozen_epochs
        self.views = views
        self._finished_epochs = 0

    @abstractmethod
    def training(self, backbone: Backbone, groups: Groups, epoch: float) -> list[str]:
        """Names the parameters of the backbone that train in an epoch.

        Args:
            backbone: The backbone.
            groups: Its parameters that an image reaches, by depth.
            epoch: Counted from 0; infinity asks for those that ever train.

        Raises:
            AgeGenderError: There is no such part of the backbone.
        """

    def plan(self, module: Any, data: FaceDataModule) -> None:
        """Looks at what it will freeze, and changes nothing.

        Args:
            module: An ``AgeGenderModule``.
            data: Need not be set up.

        Raises:
            AgeGenderError: The settings ask for what this backbone or this loader does not have.
        """
        if self.views and data.cache_dir is None:
            raise AgeGenderError(
                f"{self.key}.views={self.views}: features are kept on disk, and loader.cache=none forbids it. Allowed with "
                f"that: {self.key}.views=0 or null, which run the backbone in every epoch"
            )
        self._groups = reached_groups(module.network.backbone)
        self._ever = self.training(module.network.backbone, self._groups, math.inf)

    def setup(self, trainer: L.Trainer, pl_module: Any, stage: str) -> None:
        """Takes what will never train from the optimizer and from distributed training, before these are made."""
        if stage != "fit":
            return
        self.plan(pl_module, trainer.datamodule)  # type: ignore[attr-defined]
        self._let_train(pl_module.network.backbone, self._ever)

    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Takes note of the epochs that a resumed run has behind it."""
        self._finished_epochs = checkpoint["epoch"] + 1

    def on_fit_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Warns of what is hardly meant, and has the features of a frozen backbone remembered."""
        epochs = trainer.max_epochs
        if self._ever and epochs is not None and 0 <= epochs <= self.frozen_epochs:
            log.warning(
                "%s.epochs=%d: nothing of the backbone will train, since the run ends before, with trainer.max_epochs=%d",
                self.key, self.frozen_epochs, epochs,
            )  # fmt: skip
        if self.frozen_epochs and not self._finished_epochs and pl_module.random_backbone:
            log.warning(
                "%s keeps the backbone as it is, but its weights are random: it has learned nothing yet. Start from weights "
                "with backbone.pretrained=true or backbone.weights=FILE", self.key,
            )  # fmt: skip
        data = trainer.datamodule  # type: ignore[attr-defined]
        remember_features(trainer, pl_module, data, self.views, self.frozen_epochs, self._finished_epochs, self.key)
        pl_module.network.backbone.train()  # until the epoch begins: Lightning warns of modules in evaluation mode

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Freezes and thaws for this epoch."""
        backbone, epoch = pl_module.network.backbone, trainer.current_epoch
        names = self.training(backbone, self._groups, epoch)
        self._let_train(backbone, names)
        _set_modes(backbone, bool(names))
        if names != self.training(backbone, self._groups, epoch - 1):
            count = sum(backbone.get_parameter(name).numel() for name in names)
            log.info("from epoch %d on %d of the backbone's weights train, the first of them %s", epoch + 1, count, names[0])
            _renew_patience(trainer)
            if names == self._ever and trainer.world_size > 1:
                log.info("PyTorch may warn now that find_unused_parameters=True found none: it was for the epochs before")

    def on_train_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Says which stage the run did not come to."""
        done = trainer.current_epoch
        last = self.training(pl_module.network.backbone, self._groups, done - 1)
        if done and last != self._ever:
            then = next(e for e in itertools.count(done) if self.training(pl_module.network.backbone, self._groups, e) != last)
            log.log(
                logging.WARNING if trainer.should_stop else logging.INFO,
                "%s: the run ended after epoch %d%s; more of the backbone would have trained from epoch %d on",
                self.key, done, ", stopped early" if trainer.should_stop else "", then + 1,
            )  # fmt: skip

    def _let_train(self, backbone: Backbone, names: Iterable[str]) -> None:
        chosen = set(names)
        for name in (name for group in self._groups for name in group):
            backbone.get_parameter(name).requires_grad_(name in chosen)


def reached_groups(backbone: Backbone) -> Groups:
    """The parameters that an image reaches, before anything is frozen: those that require gradients."""
    reached = {name for name, parameter in backbone.named_parameters() if parameter.requires_grad}
    groups = [[name for name in group if name in reached] for group in backbone.depth_groups()]
    return [group for group in groups if group]


def _set_modes(module: nn.Module, training: bool) -> None:
    """Evaluation mode for frozen modules; one without parameters, such as dropout, goes with the module that holds it."""
    parameters = list(module.parameters())
    if parameters:
        training = any(parameter.requires_grad for parameter in parameters)
    module.training = training
    for child in module.children():
        _set_modes(child, training)


def _renew_patience(trainer: L.Trainer) -> None:
    for stopping in trainer.early_stopping_callbacks:
        stopping.wait_count = 0
    for config in trainer.lr_scheduler_configs:
        if isinstance(config.scheduler, ReduceLROnPlateau):
            config.scheduler.num_bad_epochs = 0
