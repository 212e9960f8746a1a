"""Which weights of the backbone train in which epoch.

Everything follows from the number of the epoch and is decided anew as each epoch begins, so a run resumed at any epoch
is the run that never stopped. All weights that will ever train are in the optimizer from the start. While frozen they
have ``requires_grad`` off and so no gradient, and an optimizer passes over what has no gradient: no step, no weight
decay, no running means. (A learning rate of zero would freeze as well, but would pay for the whole backward pass, let
frozen gradients count when gradients are clipped, and fill Adam's means before the first step.)

While nothing of the backbone trains, its features of a face are the same in every epoch. They are computed once, with
the network in evaluation mode and in the precision of training, into a file that later runs with the same backbone
find again, and the epochs that follow run trunk, towers and heads alone.

Learning rates of parts and depths are the optimizer's business: ``backbone_lr_scale`` and ``layer_decay``.
"""

import hashlib
import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import lightning as L
import timm
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from agegender.data.augment import Unchanged
from agegender.data.datamodule import FaceDataModule
from agegender.errors import AgeGenderError
from agegender.models.base import Backbone
from agegender.training.module import AgeGenderModule

log = logging.getLogger(__name__)

Groups = list[list[str]]  # names of parameters by depth, those nearest the image first


class Freezing(Callback, ABC):
    """Keeps part of the backbone as it is, batch norm statistics included, without its dropout; the rest trains.

    Args:
        frozen_epochs: Epochs, from the first, in which nothing of the backbone trains; infinite if it never does.
        views: Of how many augmented views of each training face to remember the features while nothing of the backbone
            trains; 0 for never. None remembers them where that changes nothing: with augment=none.
    """

    def __init__(self, frozen_epochs: float, views: int | None) -> None:
        if views is not None and views < 0:
            raise AgeGenderError(f"finetune: views={views} must be at least 0, or null")
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
        """

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Takes what will never train from the optimizer and from distributed training, before these are made."""
        if stage != "fit":
            return
        backbone = _backbone(pl_module)
        reached = {name for name, parameter in backbone.named_parameters() if parameter.requires_grad}
        groups = [[name for name in group if name in reached] for group in backbone.depth_groups()]
        self._groups = [group for group in groups if group]
        self._let_train(backbone, self.training(backbone, self._groups, math.inf))

    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        """Takes note of the epochs that a resumed run has behind it."""
        self._finished_epochs = checkpoint["epoch"] + 1

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Has the features of a frozen backbone remembered, where they serve more than one whole epoch."""
        assert isinstance(pl_module, AgeGenderModule)
        data, last = trainer.datamodule, trainer.max_epochs if trainer.max_epochs and trainer.max_epochs > 0 else math.inf  # type: ignore[attr-defined]
        epochs = min(self.frozen_epochs, last)
        if self.views == 0 or epochs < 2 or self._finished_epochs >= epochs or not _all(trainer.limit_train_batches):
            return
        assert isinstance(data, FaceDataModule)
        augmented = not isinstance(data.augment, Unchanged | None)
        if data.cache_dir is None or (augmented and self.views is None):
            reason = "loader.cache=none" if data.cache_dir is None else "images are augmented anew (augment=none, or views=8)"
            log.info("the frozen backbone runs in every epoch: %s", reason)
            return
        log.info("the frozen backbone runs once a face: its features are kept in %s", data.cache_dir / "features")
        backbone = _backbone(pl_module).eval()
        data.remember_features(
            _extractor(trainer, pl_module),
            _recipe(trainer, pl_module),
            views=(self.views or 0) if augmented else 0,
            epochs=self.frozen_epochs,
            val=_all(trainer.limit_val_batches),
        )
        backbone.train()  # until the epoch begins: Lightning warns of modules in evaluation mode

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Freezes and thaws for this epoch."""
        backbone, epoch = _backbone(pl_module), trainer.current_epoch
        names = self.training(backbone, self._groups, epoch)
        self._let_train(backbone, names)
        _set_modes(backbone, bool(names))
        if names and names != self.training(backbone, self._groups, epoch - 1):
            count = sum(backbone.get_parameter(name).numel() for name in names)
            log.info("from epoch %d on %d of the backbone's weights train, the first of them %s", epoch + 1, count, names[0])

    def _let_train(self, backbone: Backbone, names: Iterable[str]) -> None:
        chosen = set(names)
        for name in (name for group in self._groups for name in group):
            backbone.get_parameter(name).requires_grad_(name in chosen)


class Frozen(Freezing):
    """Keeps the whole backbone as it is; trunk, towers and heads train.

    Args:
        views: See ``Freezing``.
    """

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

    def __init__(
        self,
        epochs: int = 10,
        layers: int | None = 4,
        lr: float = 1e-5,
        weight_decay: float = 1e-6,
        views: int | None = None,
    ) -> None:
        if epochs < 0 or (layers is not None and layers < 1) or lr <= 0 or weight_decay < 0:
            raise AgeGenderError(
                f"finetune.two_stage: epochs={epochs}, layers={layers}, lr={lr}, weight_decay={weight_decay}: allowed are "
                "epochs of at least 0, layers of at least 1 or null, a positive lr and a weight_decay of at least 0"
            )
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

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """See the base class; says when the second stage will never come."""
        super().setup(trainer, pl_module, stage)
        if stage == "fit" and trainer.max_epochs is not None and 0 <= trainer.max_epochs <= self.frozen_epochs:
            log.warning(
                "finetune.two_stage.epochs=%d: the run ends before its second stage, with trainer.max_epochs=%d",
                self.frozen_epochs, trainer.max_epochs,
            )  # fmt: skip

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Freezes, thaws and sets the rates of the second stage."""
        super().on_train_epoch_start(trainer, pl_module)
        if trainer.current_epoch >= self.frozen_epochs:
            assert isinstance(pl_module, AgeGenderModule)
            _change_rates(trainer, self.lr / pl_module.optimizer.lr, self.weight_decay)


class Gradual(Freezing):
    """Thaws the backbone from its end, one depth group after the other.

    Gradual unfreezing: Howard & Ruder, "Universal Language Model Fine-tuning for Text Classification", ACL 2018. There
    it starts with the classifier alone, as here.

    Args:
        epochs: Until the first group trains, and from one group to the next.
        views: See ``Freezing``; until the first group trains.
    """

    def __init__(self, epochs: int = 1, views: int | None = None) -> None:
        if epochs < 1:
            raise AgeGenderError(f"finetune.gradual.epochs={epochs}: must be at least 1")
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
        raise AgeGenderError(f"finetune: the last {count} weight layers are wanted, but the backbone has {len(starts)}")
    return names[starts[-count] :]


def ddp_strategy(strategy: str, callbacks: Iterable[Callback]) -> str:
    """The Trainer's strategy: distributed training must know when weights will be without gradient in some epochs."""
    thawing = any(isinstance(callback, Freezing) and math.isfinite(callback.frozen_epochs) for callback in callbacks)
    return "ddp_find_unused_parameters_true" if strategy == "ddp" and thawing else strategy


def _all(limit: float) -> bool:
    return isinstance(limit, float) and limit == 1.0  # the integer is one batch


def _extractor(trainer: L.Trainer, module: AgeGenderModule) -> Any:
    def extract(image: Tensor) -> Tensor:
        with torch.no_grad(), trainer.precision_plugin.val_step_context():
            return module.network.features(image.to(module.device)).float().cpu()

    return extract


def _recipe(trainer: L.Trainer, module: AgeGenderModule) -> list[Any]:
    """What the backbone's features of an image follow from: its weights, how it computes, in which precision and where."""
    digest = hashlib.sha256()
    for name, value in _backbone(module).state_dict().items():
        digest.update(name.encode())
        digest.update(value.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    network = module.hparams["network"]
    architecture = {name: network[name] for name in ("backbone", "pool", "image_size")}
    versions = [torch.__version__, timm.__version__]
    return [digest.hexdigest(), architecture, str(trainer.precision), module.device.type, versions]


def _set_modes(module: nn.Module, training: bool) -> None:
    """Evaluation mode for frozen modules; one without parameters, such as dropout, goes with the module that holds it."""
    parameters = list(module.parameters())
    if parameters:
        training = any(parameter.requires_grad for parameter in parameters)
    module.training = training
    for child in module.children():
        _set_modes(child, training)


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


def _backbone(module: L.LightningModule) -> Backbone:
    assert isinstance(module, AgeGenderModule)
    backbone = module.network.backbone
    assert isinstance(backbone, Backbone)
    return backbone
