"""Which faces make up which batch: everything that is random about an epoch follows from (seed, epoch)."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler

from agegender.errors import AgeGenderError


class BatchIndex(NamedTuple):
    """One batch to load: rows of the face table, the seed of its augmentation, and the epoch it belongs to."""

    indices: np.ndarray
    seed: int
    epoch: int = 0


class TrainBatches(Sampler[BatchIndex]):
    """Shuffled batches of one rank.

    The order of an epoch depends on ``seed`` and the epoch alone. Global batches of ``batch_size * world_size`` faces
    are dealt out to the ranks, so two ranks with half the batch size see together what one rank sees. An incomplete
    last global batch is dropped unless it is the only one.

    Args:
        indices: Rows of the face table to train on.
        batch_size: Faces a rank sees a step.
        seed: Not negative.
        rank: This process.
        world_size: Number of processes.
        weights: One positive number a row of ``indices``: faces are then drawn with replacement, in proportion.

    Raises:
        AgeGenderError: There are fewer faces than processes.
    """

    def __init__(
        self,
        indices: np.ndarray,
        batch_size: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        weights: np.ndarray | None = None,
    ) -> None:
        if len(indices) < world_size:
            raise AgeGenderError(f"{len(indices)} faces to train on are too few for {world_size} processes")
        self.indices = np.asarray(indices, dtype=np.int64)
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.shares = None if weights is None else np.asarray(weights, dtype=np.float64) / np.sum(weights)
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Chooses the order that the next iteration follows."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Steps an epoch, the same on every rank."""
        return max(1, len(self.indices) // (self.batch_size * self.world_size))

    def __iter__(self) -> Iterator[BatchIndex]:
        """Yields this rank's part of each global batch."""
        epoch = self.epoch
        generator = np.random.default_rng([self.seed, epoch])
        if self.shares is None:
            order = generator.permutation(self.indices)
        else:
            order = generator.choice(self.indices, size=len(self.indices), p=self.shares)
        step = self.batch_size * self.world_size
        for number in range(len(self)):
            entropy = np.random.SeedSequence([self.seed, epoch, number, self.rank])
            batch = order[number * step : (number + 1) * step]
            yield BatchIndex(batch[self.rank :: self.world_size], int(entropy.generate_state(1)[0]), epoch)


class EvalBatches(Sampler[BatchIndex]):
    """Batches in table order: over all ranks every face comes exactly once, so shards may differ by one face.

    All ranks have the same number of batches, of which the last may be empty: a rank without any batch would skip the
    whole validation, while the others wait for it (to synchronise the model's buffers, then to add up the figures).

    Args:
        indices: Rows of the face table.
        batch_size: Faces a rank sees a step.
        rank: This process.
        world_size: Number of processes.
    """

    def __init__(self, indices: np.ndarray, batch_size: int, rank: int = 0, world_size: int = 1) -> None:
        shards = np.array_split(np.asarray(indices, dtype=np.int64), world_size)  # the first is a longest one
        self.indices = shards[rank]
        self.batch_size = batch_size
        self.length = -(-len(shards[0]) // batch_size)
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Says which epoch of training the next iteration evaluates."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Batches, the same on every rank."""
        return self.length

    def __iter__(self) -> Iterator[BatchIndex]:
        """Yields consecutive slices of this rank's shard."""
        for number in range(self.length):
            start = number * self.batch_size
            yield BatchIndex(self.indices[start : start + self.batch_size], 0, self.epoch)
