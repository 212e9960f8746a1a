"""A data loader that measures how long its user waits for batches."""

import logging
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from agegender.data.cores import worker_count
from agegender.data.shared_batches import AHEAD, SharedBatches

log = logging.getLogger(__name__)


class TimedLoader(DataLoader[Any]):
    """A DataLoader of whole batches that counts what it delivers and the time that this takes its user.

    Without worker processes the time is that of loading itself, otherwise that of waiting for a worker. Workers hand over
    batches as ``SharedBatches``.

    Args:
        dataset: Gives a batch, as a mapping of tensors, for each element of the sampler.
        num_workers: Number of worker processes.
        cores: Number of cores that loading and its user share. If it is given, the loader measures its first epoch without
            workers and then starts as many as ``worker_count`` says; batches do not depend on their number.
        arguments: Further arguments of the DataLoader.

    Attributes:
        waited: Seconds in which the user waited for a batch, since ``restart``.
        faces: Number of faces delivered since then.
    """

    waited: float = 0.0
    faces: int = 0
    collate_fn: SharedBatches

    def __init__(self, dataset: Dataset[Any], num_workers: int = 0, cores: int | None = None, **arguments: Any) -> None:
        self.cores = cores
        self._loading = self._computing = 0.0
        self._batches = 0
        workers = {"persistent_workers": True, "prefetch_factor": AHEAD} if num_workers or cores else {}
        given = {"batch_size": None, "collate_fn": SharedBatches(), **workers, **arguments}
        super().__init__(dataset, num_workers=num_workers or int(bool(cores)), **given)
        self.num_workers = num_workers  # the DataLoader refuses persistent workers if there are none yet

    def restart(self) -> None:
        """Sets time and count to zero."""
        self.waited, self.faces = 0.0, 0

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """The batches of an epoch."""
        if self.cores and self._computing:
            self._choose_workers(self.cores)
        began = time.perf_counter()
        for shared in super().__iter__():
            batch = self.collate_fn.read(shared, pinned=self.pin_memory and torch.cuda.is_available())
            loaded = time.perf_counter()
            self.waited += loaded - began
            self._loading += loaded - began
            self._batches += 1
            self.faces += len(batch["index"])
            yield batch
            began = time.perf_counter()
            self._computing += began - loaded

    def _choose_workers(self, cores: int) -> None:
        share = self._loading / (self._loading + self._computing)
        self.num_workers, self.cores = worker_count(self._loading, self._computing, self._batches, cores), None
        log.info(
            "loading took %.0f%% of the first epoch: %d loader workers from now on (loader.num_workers=auto, %d cores)",
            100 * share, self.num_workers, cores,
        )  # fmt: skip
