"""The cost of a network: parameters, FLOPs, and milliseconds for one image."""

import statistics
import time
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from agegender.models.network import Network


@torch.no_grad()
def count(network: Network) -> dict[str, int]:
    """Counts ``parameters``, the ``trainable`` ones among them, and the ``flops`` of one image.

    A multiply-add is two FLOPs. Convolutions, matrix products and attention are counted.
    """
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    with FlopCounterMode(display=False) as counter:
        network.forward(_image(network))  # not network(image), which may be compiled
    for module, training in modes:
        module.training = training
    parameters = list(network.parameters())
    return {
        "parameters": sum(parameter.numel() for parameter in parameters),
        "trainable": sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        "flops": counter.get_total_flops(),
    }


def latencies_ms(networks: Sequence[Network], rounds: int = 20) -> list[float]:
    """Median milliseconds for one image on this machine's CPU: one thread, float32, not compiled.

    Args:
        networks: In evaluation mode. They take turns, so that other load on the machine slows all of them alike.
        rounds: Turns that are measured; two turns before them warm up.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            taken = [[_seconds(network) for network in networks] for _ in range(rounds + 2)][2:]
    finally:
        torch.set_num_threads(threads)
    return [1000 * statistics.median(times) for times in zip(*taken, strict=True)]


def _seconds(network: Network) -> float:
    image = _image(network)
    start = time.perf_counter()
    network(image)
    return time.perf_counter() - start


def _image(network: Network) -> Tensor:
    return torch.zeros(
        1, 3, network.image_size, network.image_size, dtype=torch.uint8, device=next(network.parameters()).device
    )
