"""The cost of the compared models, measured where a run directory does not record it."""

from collections.abc import Callable, Sequence

from agegender.models.cost import count, latencies_ms
from agegender.models.network import Network
from agegender.runs.finished_run import Run


def measure(runs: Sequence[Run], load: Callable[[Run], Network]) -> list[str]:
    """Adds missing parameters, FLOPs and latency to each run; the models take turns when latency is measured.

    Args:
        runs: Their ``model`` is completed in place.
        load: Returns the tested network. Its weights require gradients if they trained in any epoch.

    Returns:
        One line for each model that could not be measured, with the reason. The others are measured.
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
