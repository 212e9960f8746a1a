"""``hydra/launcher=local``: every job of a sweep in processes of its own on this machine."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from agegender.sweeps.launcher import SweepLauncher


class LocalLauncher(SweepLauncher):
    """Runs the jobs of a sweep on this machine.

    Args:
        parallel: Jobs at the same time, on disjoint devices.
    """

    def __init__(self, parallel: int = 1) -> None:
        self.parallel = parallel

    def prepare(self, trainers: Sequence[Mapping[str, Any]]) -> Callable[..., int]:
        """The function that runs jobs, after a check that there is room for each."""
        from agegender.sweeps.driver import run_jobs
        from agegender.sweeps.local import LocalRunner
        from agegender.sweeps.places import places_here

        return partial(run_jobs, runner=LocalRunner(places_here(self.parallel, trainers)))
