"""Synchronised batch norms keep weights, names and activations of every layer."""

from typing import Any

import timm
import torch
from torch import nn

from agegender.training.sync_batchnorm import SyncBatchNorm


def outputs(model: nn.Module, image: torch.Tensor) -> Any:
    with torch.no_grad():
        return model.eval()(image)


def test_a_network_of_norms_with_activations_computes_the_same() -> None:
    torch.manual_seed(0)
    model = timm.create_model("efficientnet_b0", pretrained=False, num_classes=3)
    image = torch.randn(2, 3, 64, 64)
    before, names = outputs(model, image), list(model.state_dict())
    converted = SyncBatchNorm().apply(model)
    kinds = [type(module) for module in converted.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    assert kinds and all(issubclass(kind, nn.SyncBatchNorm) for kind in kinds)
    assert list(converted.state_dict()) == names
    torch.testing.assert_close(outputs(converted, image), before)
    torch.testing.assert_close(outputs(SyncBatchNorm().revert(converted), image), before)


def test_pytorchs_own_conversion_loses_the_activations() -> None:
    """The reason for the class; if this fails, it is no longer needed."""
    torch.manual_seed(0)
    model = timm.create_model("efficientnet_b0", pretrained=False, num_classes=3)
    image = torch.randn(2, 3, 64, 64)
    before = outputs(model, image)
    assert not torch.allclose(outputs(nn.SyncBatchNorm.convert_sync_batchnorm(model), image), before, rtol=0.1)
