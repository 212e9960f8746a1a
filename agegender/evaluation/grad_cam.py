"""Where a model looks: Grad-CAM (Selvaraju and others, ICCV 2017)."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from agegender.models.network import Network


def grad_cam(network: Network, images: Tensor, task: str) -> Tensor:
    """Which places of the last feature map raise the answer of a task.

    The answer is the age in years where the head's read-out has a gradient, else its most probable class; for gender
    the class that is estimated. Of transformers the last block's input is taken: behind it only the class token counts.

    Args:
        network: In evaluation mode.
        images: uint8 [B, 3, H, W].
        task: ``age`` or ``gender``.

    Returns:
        Maps [B, H, W] in 0..1, the largest value of each being 1; all 0 where nothing raises the answer.
    """
    kept: list[Tensor] = []

    def cut(module: nn.Module, inputs: object, feature_map: Tensor) -> Tensor:
        """Makes the feature map the start of the gradient, whether or not the backbone is frozen."""
        kept.append(feature_map.detach().requires_grad_())
        return kept[0].clone()

    handle = _last_layer(network.backbone).register_forward_hook(cut)
    try:
        with torch.enable_grad():
            output = network(images)[task]
            (gradient,) = torch.autograd.grad(_answer(network, task, output).sum(), kept[0])
    finally:
        handle.remove()
    features, gradient = _as_map(kept[0].detach()), _as_map(gradient)
    cam = (features * gradient.mean(dim=(2, 3), keepdim=True)).sum(dim=1, keepdim=True).relu()
    cam = interpolate(cam, images.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    return cam / cam.amax(dim=(1, 2), keepdim=True).clamp_min(torch.finfo(cam.dtype).tiny)


def _last_layer(backbone: nn.Module) -> nn.Module:
    blocks = getattr(getattr(backbone, "net", None), "blocks", None)
    norm = getattr(blocks[-1], "norm1", None) if isinstance(blocks, nn.Sequential) else None
    return backbone if norm is None else norm


def _answer(network: Network, task: str, output: Tensor) -> Tensor:
    if task == "age":
        years = network.estimate({"age": output}, distribution=False)["age"]
        if years.requires_grad:
            return years
    return output.amax(dim=1) if output.shape[1] > 1 else output.abs()


def _as_map(features: Tensor) -> Tensor:
    """[B, C, h, w], also from a transformer's tokens [B, tokens, C], whose image patches come last."""
    if features.ndim == 4:
        return features
    side = math.isqrt(features.shape[1])
    return features[:, -side * side :].transpose(1, 2).unflatten(2, (side, side))
