"""Batch norm with statistics over the batches of all ranks."""

from lightning.pytorch.plugins.layer_sync import LayerSync
from torch import nn

from agegender.models.quick_timm import timm


class SyncBatchNorm(LayerSync):
    """Replaces batch norms by synchronised ones, as ``trainer.sync_batchnorm=true`` asks for.

    Lightning's own plugin converts with PyTorch's function, which turns timm's layers of batch norm *and activation* into
    batch norms without activation: an EfficientNet would lose its nonlinearities. timm's function keeps them.
    """

    def apply(self, model: nn.Module) -> nn.Module:
        """The model with synchronised layers that have the same weights, names and activations."""
        synchronised: nn.Module = timm.layers.convert_sync_batchnorm(model)
        return synchronised

    def revert(self, model: nn.Module) -> nn.Module:
        """The model unchanged: after training, the best checkpoint is loaded into a new network."""
        return model
