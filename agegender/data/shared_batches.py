"""Hands batches from worker processes to their parent in shared memory that is used again and again."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from torch.utils.data import get_worker_info

from agegender.data.dataset import FaceDataset

AHEAD = 2
"""Batches that each worker loads ahead, the ``prefetch_factor`` of the DataLoader."""

_ALIGNMENT = 64  # bytes; those at the start of a buffer hold 1 if the parent knows the buffer


@dataclass
class SharedBatch:
    """A batch in the shared memory of a worker.

    Args:
        slot: Number of the worker and of one of its buffers.
        buffer: The buffer, until the parent knows it; None afterwards.
        layout: Offset in bytes, shape, strides and type of each tensor in the buffer.
    """

    slot: tuple[int, int]
    buffer: torch.Tensor | None
    layout: dict[str, tuple[int, torch.Size, tuple[int, ...], torch.dtype]]


class SharedBatches:
    """The ``collate_fn`` of a DataLoader that writes batches in its workers, and what reads them in the parent process.

    By default every tensor of every batch is a new file in shared memory. Both processes then spend more time on new pages
    than on loading. Here each worker has ``AHEAD + 1`` buffers, and a ``FaceDataset`` loads and augments images in them. The
    parent copies a batch out of its buffer before it asks for the next batch, so the one buffer more than batches ahead is
    always free. Without workers, batches pass unchanged.
    """

    def __init__(self) -> None:
        self._buffers: dict[tuple[int, int], torch.Tensor] = {}
        self._written = 0

    def __call__(self, batch: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor] | SharedBatch:
        """Writes a batch to the next buffer, in a worker."""
        worker = get_worker_info()
        if worker is None:
            return batch
        if isinstance(worker.dataset, FaceDataset):
            worker.dataset.empty = self.empty  # from the next batch on, its images need not be copied
        layout, length = {}, _ALIGNMENT
        for name, tensor in batch.items():
            layout[name] = (length, tensor.shape, tensor.stride(), tensor.dtype)
            length += -(-tensor.nbytes // _ALIGNMENT) * _ALIGNMENT
        slot, buffer = self._next(worker.id, length)
        self._written += 1
        for name, tensor in batch.items():
            place = _view(buffer, *layout[name])
            if place.data_ptr() != tensor.data_ptr():
                place.copy_(tensor)
        # The parent never sees the last batches of an epoch that it leaves early, so it says itself which buffers it knows.
        return SharedBatch(slot, None if buffer[0] else buffer, layout)

    def empty(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Allocates the first array of the next batch in its buffer, in a worker."""
        worker = get_worker_info()
        assert worker is not None, "only workers have buffers"
        length = prod(shape) * np.dtype(dtype).itemsize
        _, buffer = self._next(worker.id, _ALIGNMENT + length)
        return buffer[_ALIGNMENT : _ALIGNMENT + length].numpy().view(dtype).reshape(shape)

    def _next(self, worker: int, length: int) -> tuple[tuple[int, int], torch.Tensor]:
        """Slot and buffer of the next batch of a worker, of at least ``length`` bytes."""
        slot = worker, self._written % (AHEAD + 1)
        if slot not in self._buffers or len(self._buffers[slot]) < length:
            self._buffers[slot] = torch.zeros(length, dtype=torch.uint8).share_memory_()
        return slot, self._buffers[slot]

    def read(self, batch: Mapping[str, torch.Tensor] | SharedBatch, pinned: bool = False) -> Mapping[str, torch.Tensor]:
        """Copies a batch out of its buffer, in the parent.

        Args:
            batch: As the DataLoader gives it.
            pinned: Copy to page-locked memory, from which a GPU copies faster.
        """
        if not isinstance(batch, SharedBatch):
            return batch
        if batch.buffer is not None:
            self._buffers[batch.slot] = batch.buffer
            batch.buffer[0] = 1
        buffer = self._buffers[batch.slot]
        return {
            name: torch.empty_strided(shape, strides, dtype=dtype, pin_memory=pinned).copy_(
                _view(buffer, offset, shape, strides, dtype)
            )
            for name, (offset, shape, strides, dtype) in batch.layout.items()
        }


def _view(buffer: torch.Tensor, offset: int, shape: torch.Size, strides: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """A tensor in a buffer; it must have no gaps."""
    return buffer[offset : offset + shape.numel() * dtype.itemsize].view(dtype).as_strided(shape, strides)
