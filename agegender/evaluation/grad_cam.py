"""Grad-CAM: the places of an image that raise an estimate (Selvaraju et al., ICCV 2017)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from agegender.evaluation.explained_answer import explained_answer
from agegender.models.network import Network


def grad_cam(network: Network, images: Tensor, task: str) -> Tensor:
    """Computes how much each place of an image raises the network's answer to a task.

    The answer is that of ``explained_answer``. The layer is the backbone's ``cam_layer``.

    Args:
        network: In evaluation mode. Its parameters get no gradients.
        images: uint8 [B, 3, H, W].
        task: ``age`` or ``gender``.

    Returns:
        Maps [B, H, W] in 0..1. The largest value of each map is 1; a map is all 0 if no place raises the answer.
    """
    kept: list[Tensor] = []

    def start_gradient_here(layer: nn.Module, inputs: object, output: Tensor) -> Tensor:
        """Makes the output of the layer a leaf, so that frozen backbones are explained too."""
        kept.append(output.detach().requires_grad_())
        return kept[0].clone()

    handle = network.backbone.cam_layer().register_forward_hook(start_gradient_here)
    try:
        with torch.enable_grad():
            answer = explained_answer(network, task, network(images)[task])
            (gradient,) = torch.autograd.grad(answer.sum(), kept[0])
    finally:
        handle.remove()
    features, gradient = (network.backbone.as_map(values) for values in (kept[0].detach(), gradient))
    cam = (features * gradient.mean(dim=(2, 3), keepdim=True)).sum(dim=1, keepdim=True).relu()
    cam = interpolate(cam, images.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    return cam / cam.amax(dim=(1, 2), keepdim=True).clamp_min(torch.finfo(cam.dtype).tiny)
