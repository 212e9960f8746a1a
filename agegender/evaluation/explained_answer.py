"""The number that an explanation of a network is about: one a face and task, for every kind of head."""

import torch
from torch import Tensor

from agegender.models.network import Network


def explained_answer(network: Network, task: str, output: Tensor, chosen_by: Tensor | None = None) -> Tensor:
    """The network's answer to a task as one number a face, [B].

    For age it is the estimate in years, as of a regression or of the mean of a distribution. If the estimate has no gradient,
    because it jumps from class to class, it is the logit of the most probable class. For gender it is the logit of the
    estimated class.

    Args:
        network: The network.
        task: ``age`` or ``gender``.
        output: Of the head, for some images.
        chosen_by: Output for the images that decide which class is explained; None for ``output`` itself.
    """
    if task == "age" and explains_years(network, output):
        return network.estimate({"age": output}, distribution=False)["age"]
    decides = output if chosen_by is None else chosen_by
    if output.shape[1] > 1:
        return output.gather(1, decides.argmax(dim=1, keepdim=True))[:, 0]
    return output[:, 0] * decides[:, 0].sign()


def explains_years(network: Network, output: Tensor) -> bool:
    """Whether the explained number of an age head is the estimate in years."""
    with torch.enable_grad():
        leaf = output.detach()[:1].requires_grad_()
        return network.estimate({"age": leaf}, distribution=False)["age"].requires_grad
