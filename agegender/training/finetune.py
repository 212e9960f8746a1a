"""Which weights train, and when."""

import lightning as L
from lightning.pytorch.callbacks import Callback

from agegender.training.module import AgeGenderModule


class Frozen(Callback):
    """Keeps the backbone as it is, batch norm statistics included; trunk, towers and heads train."""

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Takes the backbone from the optimizer before that is built."""
        assert isinstance(pl_module, AgeGenderModule)
        pl_module.network.backbone.requires_grad_(False)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Puts the backbone back into evaluation mode, which Lightning ends at the start of training."""
        assert isinstance(pl_module, AgeGenderModule)
        pl_module.network.backbone.eval()
