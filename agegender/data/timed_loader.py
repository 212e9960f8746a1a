"""A data loader that measures how long its user waits for batches."""

import time
from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader


class TimedLoader(DataLoader[Any]):
    """A DataLoader that counts what it delivers and the time that this takes its user.

    Without worker processes the time is that of loading itself, otherwise that of waiting for a worker.

    Attributes:
        waited: Seconds in which the user waited for a batch, since ``restart``.
        faces: Number of faces delivered since then.
    """

    waited: float = 0.0
    faces: int = 0

    def restart(self) -> None:
        """Sets time and count to zero."""
        self.waited, self.faces = 0.0, 0

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """The batches of an epoch."""
        began = time.perf_counter()
        for batch in super().__iter__():
            self.waited += time.perf_counter() - began
            self.faces += len(batch["index"])
            yield batch
            began = time.perf_counter()
