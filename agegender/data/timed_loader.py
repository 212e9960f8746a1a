"""A data loader that measures how long its user waits for batches."""

import time
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from agegender.data.shared_batches import AHEAD, SharedBatches


class TimedLoader(DataLoader[Any]):
    """A DataLoader of whole batches that counts what it delivers and the time that this takes its user.

    Without worker processes the time is that of loading itself, otherwise that of waiting for a worker. Workers hand over
    batches as ``SharedBatches``.

    Args:
        dataset: Gives a batch, as a mapping of tensors, for each element of the sampler.
        num_workers: Number of worker processes.
        arguments: Further arguments of the DataLoader.

    Attributes:
        waited: Seconds in which the user waited for a batch, since ``restart``.
        faces: Number of faces delivered since then.
    """

    waited: float = 0.0
    faces: int = 0
    collate_fn: SharedBatches

    def __init__(self, dataset: Dataset[Any], num_workers: int = 0, **arguments: Any) -> None:
        workers = {"persistent_workers": True, "prefetch_factor": AHEAD} if num_workers else {}
        given = {"batch_size": None, "collate_fn": SharedBatches(), **workers, **arguments}
        super().__init__(dataset, num_workers=num_workers, **given)

    def restart(self) -> None:
        """Sets time and count to zero."""
        self.waited, self.faces = 0.0, 0

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """The batches of an epoch."""
        began = time.perf_counter()
        for shared in super().__iter__():
            batch = self.collate_fn.read(shared, pinned=self.pin_memory and torch.cuda.is_available())
            self.waited += time.perf_counter() - began
            self.faces += len(batch["index"])
            yield batch
            began = time.perf_counter()
