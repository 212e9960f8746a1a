"""Which faces form each batch; the random order depends on the seed and the epoch only."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler

from agegender.errors import AgeGenderError


class BatchIndex(NamedTuple):
    """A batch to load: rows of the face table, the augmentation seed, and the epoch."""

    indices: np.ndarray
    seed: int
    epoch: int = 0


class TrainBatches(Sampler[BatchIndex]):
    """Shuffled batches of one rank.

    Each global batch of ``batch_size * world_size`` faces is divided among the ranks, so two ranks with half the batch
    size see the same global batches as one rank. An incomplete last global batch is dropped unless it is the only one.

    Args:
        indices: Rows of the face table to train on.
        batch_size: Faces per rank and step.
        seed: A non-negative integer.
        rank: Number of this process, from 0.
        world_size: Number of processes.
        weights: ``[len(indices)]``, positive: faces are drawn with replacement, in proportion to their weights. None
            shuffles without replacement.

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
            raise AgeGenderError(f"{len(indices)} training faces are too few for {world_size} processes")
        self.indices = np.asarray(indices, dtype=np.int64)
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.shares = None if weights is None else np.asarray(weights, dtype=np.float64) / np.sum(weights)
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch, which determines the order of the next iteration."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Batches per epoch, the same on every rank."""
        return max(1, len(self.indices) // (self.batch_size * self.world_size))

    def __iter__(self) -> Iterator[BatchIndex]:
        """Yields this rank's share of each global batch."""
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
    """Batches of one rank in table order; over all ranks, every face occurs exactly once.

    The ranks take turns with the batches that a single rank would have, so a face is in the same batch for any number of
    ranks, and its prediction is exactly the same. All ranks have the same number of batches. The last batch of a rank may be
    empty: without any batch, the rank would skip validation while the others wait for it in collective operations (buffer
    synchronisation, metric reduction).

    Args:
        indices: Rows of the face table.
        batch_size: Faces per rank and step.
        rank: Number of this process, from 0.
        world_size: Number of processes.
    """

    def __init__(self, indices: np.ndarray, batch_size: int, rank: int = 0, world_size: int = 1) -> None:
        self.indices = np.asarray(indices, dtype=np.int64)
        self.batch_size = batch_size
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Sets the training epoch that the next iteration evaluates."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Number of batches, the same on every rank."""
        return -(-len(self.indices) // (self.batch_size * self.world_size))

    def __iter__(self) -> Iterator[BatchIndex]:
        """Yields every ``world_size``-th batch, from that of this rank on."""
        for number in range(len(self)):
            start = (number * self.world_size + self.rank) * self.batch_size
            yield BatchIndex(self.indices[start : start + self.batch_size], 0, self.epoch)
