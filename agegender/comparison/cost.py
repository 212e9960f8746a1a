"""What a network costs: parameters, FLOPs, and milliseconds for one image."""

import statistics
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from agegender.models.network import Network
from agegender.runs.finished_run import Run


def measure(runs: Sequence[Run], load: Callable[[Run], Network]) -> list[str]:
    """Fills in what runs did not record; latencies are of all models in turn, so that a busy machine is unfair to none.

    Args:
        runs: Their ``model`` is filled in.
        load: Gives the tested network, with those weights requiring gradients that ever trained.

    Returns:
        A line for each run whose model could not be measured, for whatever reason: the others still are.
    """
    networks, failed = {}, []
    for index, run in enumerate(runs):
        try:
            networks[index] = load(run).eval()
            run.model.update({**count(networks[index]), **run.model})
        except Exception as error:  # a missing file, a damaged one, one of another version
            networks.pop(index, None)
            failed.append(f"{run.path}: not measured: {error}")
    for index, milliseconds in zip(networks, latencies_ms(list(networks.values())), strict=True):
        runs[index].model.setdefault("latency_ms", milliseconds)
    return failed


@torch.no_grad()
def count(network: Network) -> dict[str, int]:
    """``parameters``, ``trainable`` ones among them, and ``flops`` of one image.

    FLOPs are two a multiply-add, of convolutions, matrix products and attention.
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
    """Median milliseconds for one image on this machine's CPU, one thread, float32, without compilation.

    Args:
        networks: In evaluation mode; they take turns, so that a busy neighbour slows all of them alike.
        rounds: Turns, after two to warm up.
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
