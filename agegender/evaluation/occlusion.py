"""Occlusion: how much the estimate changes if a part of the image is covered (Zeiler and Fergus, ECCV 2014)."""

import torch
from torch import Tensor

from agegender.errors import AgeGenderError
from agegender.evaluation.explained_answer import explained_answer, explains_years
from agegender.models.network import Network

WINDOW, STRIDE = 4, 8  # the window is 1/4 of the side and moves by 1/8


def occlusion(network: Network, images: Tensor, task: str, at_once: int = 8) -> Tensor:
    """Computes how much the network's answer to a task depends on each place of an image, without gradients.

    A square of the mean colour of the image covers each place in turn. The value of a place is the mean change of the answer
    (see ``explained_answer``) over the squares that cover it. For years, both older and younger count as a change; for a
    class, only squares that lower its logit.

    Args:
        network: In evaluation mode.
        images: uint8 [B, 3, H, W].
        task: ``age`` or ``gender``.
        at_once: Squares in one pass.

    Returns:
        Maps [B, H, W] in 0..1. The largest value of each map is 1; a map is all 0 if no square matters.

    Raises:
        AgeGenderError: captum is not installed.
    """
    try:
        from captum.attr import Occlusion
    except ImportError as error:
        raise AgeGenderError("explain: needs captum: pip install 'agegender[explain]'") from error
    with torch.no_grad():
        outputs = network(images)[task]
    pixels = images.float()
    colour = pixels.mean(dim=(2, 3), keepdim=True).round().expand_as(pixels)
    height, width = images.shape[-2:]

    def answer(covered: Tensor, chosen_by: Tensor) -> Tensor:
        return explained_answer(network, task, network(covered.to(torch.uint8))[task], chosen_by)

    with torch.no_grad():
        change = Occlusion(answer).attribute(
            pixels,
            sliding_window_shapes=(3, max(height // WINDOW, 1), max(width // WINDOW, 1)),
            strides=(3, max(height // STRIDE, 1), max(width // STRIDE, 1)),
            baselines=colour,
            additional_forward_args=(outputs,),
            perturbations_per_eval=at_once,
        )[:, 0]
    change = change.abs() if task == "age" and explains_years(network, outputs) else change.relu()
    return change / change.amax(dim=(1, 2), keepdim=True).clamp_min(torch.finfo(change.dtype).tiny)
