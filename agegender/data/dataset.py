"""Faces as batches of tensors; a whole batch is loaded at once to keep the Python work per face small."""

from collections.abc import Callable, Iterable
from typing import Protocol, Self

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset

from agegender.data.batches import BatchIndex
from agegender.data.features import Features
from agegender.data.row_file import Empty


class Images(Protocol):
    """Images by row: an ``ImageCache`` or ``DecodedImages``."""

    def read(self, rows: np.ndarray, empty: Empty) -> np.ndarray:
        """Returns the images ``[B, S, S, 3]`` (uint8 RGB) of int64 rows ``[B]``, allocated by ``empty``.

        The caller may overwrite them.
        """
        ...


class FaceDataset(Dataset[dict[str, torch.Tensor]]):
    """Maps a ``BatchIndex`` to a batch; for use with ``DataLoader(batch_size=None, sampler=batches)``.

    Attributes:
        empty: Allocates the images of a batch.

    Args:
        images: The images, by row.
        age_low: ``[N]`` lower end of the age interval, years; NaN if unknown.
        age_high: ``[N]`` upper end of the age interval, years; NaN if unknown.
        gender: ``[N]`` 0 male, 1 female, -1 unknown.
        augment: Maps (images ``[B, S, S, 3]`` uint8, seed) to images; None for evaluation.
        rows: ``[N]`` row of each face in ``images``; by default ``0 ... N - 1``.
        dataset: ``[N]`` number of the dataset of each face; by default 0.
        features: Backbone features that replace the images in the first epochs; None for images in every epoch.
    """

    def __init__(
        self,
        images: Images,
        age_low: np.ndarray,
        age_high: np.ndarray,
        gender: np.ndarray,
        augment: Callable[[np.ndarray, int], np.ndarray] | None = None,
        rows: np.ndarray | None = None,
        dataset: np.ndarray | None = None,
        features: Features | None = None,
    ) -> None:
        self.images = images
        self.age_low = torch.from_numpy(np.array(age_low, dtype=np.float32))
        self.age_high = torch.from_numpy(np.array(age_high, dtype=np.float32))
        self.gender = torch.from_numpy(np.array(gender, dtype=np.int64))
        self.dataset = torch.from_numpy(np.array(np.zeros_like(gender) if dataset is None else dataset, dtype=np.int64))
        self.augment = augment
        self.empty: Empty = np.empty
        self.features = features
        self.rows = np.arange(len(self.age_low)) if rows is None else np.asarray(rows, dtype=np.int64)

    @classmethod
    def of(
        cls,
        faces: pd.DataFrame,
        images: Images,
        datasets: Iterable[str],
        augment: Callable[[np.ndarray, int], np.ndarray] | None = None,
        features: Features | None = None,
    ) -> Self:
        """The faces of a face table with the column ``row``, the row of each face in ``images``.

        Args:
            faces: The table.
            images: The images, by row.
            datasets: Names of the datasets, in the order in which they are numbered.
            augment: See the class.
            features: See the class.
        """
        gender, rows = faces["gender"].fillna(-1).to_numpy(dtype=np.int64), faces["row"].to_numpy()
        numbers = faces["dataset"].map({name: number for number, name in enumerate(datasets)}).to_numpy(dtype=np.int64)
        return cls(images, faces["age_low"].to_numpy(), faces["age_high"].to_numpy(), gender, augment, rows, numbers, features)

    def __len__(self) -> int:
        """Number of faces (not of batches)."""
        return len(self.rows)

    def __getitem__(self, batch: BatchIndex) -> dict[str, torch.Tensor]:
        """Loads a batch.

        Returns:
            First ``image`` uint8 ``[B, 3, S, S]`` (channels last in memory) or ``features`` float32 ``[B, ...]``, ``age_low``
            and ``age_high`` float32 years (NaN if unknown), ``gender`` int64 (-1 if unknown), ``dataset`` int64 (number
            of the dataset), ``index`` int64 (row of the face table).
        """
        index = torch.from_numpy(batch.indices)
        return {
            **self._inputs(batch),
            "age_low": self.age_low[index],
            "age_high": self.age_high[index],
            "gender": self.gender[index],
            "dataset": self.dataset[index],
            "index": index,
        }

    def _inputs(self, batch: BatchIndex) -> dict[str, torch.Tensor]:
        if self.features is not None and (features := self.features.of(batch)) is not None:
            return {"features": torch.from_numpy(features)}
        images = self.images.read(self.rows[batch.indices], self.empty)
        if self.augment is not None:
            images = self.augment(images, batch.seed)
        return {"image": torch.from_numpy(images).permute(0, 3, 1, 2)}
