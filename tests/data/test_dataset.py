"""Batches of a ``FaceDataset``: keys, shapes and dtypes; independence of the number of workers."""

import multiprocessing

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from agegender.data.augment import Standard
from agegender.data.batches import BatchIndex, EvalBatches, TrainBatches
from agegender.data.dataset import FaceDataset
from agegender.data.row_file import Empty


class Pixels:
    """Images in memory."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels

    def read(self, rows: np.ndarray, empty: Empty) -> np.ndarray:
        images = empty((len(rows), *self.pixels.shape[1:]), self.pixels.dtype)
        images[:] = self.pixels[rows]
        return images


def _dataset(augment=None, rows=None) -> FaceDataset:
    images = Pixels(np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8))
    count = 40 if rows is None else len(rows)
    age = np.arange(count, dtype=float)
    age[3] = np.nan
    gender = np.arange(count) % 3 - 1
    return FaceDataset(images, age, age + 2, gender, augment, rows)


def test_keys_shapes_and_dtypes_of_a_batch():
    dataset = _dataset()
    batch = dataset[BatchIndex(np.array([7, 3, 0]), 0)]
    assert {name: (tuple(one.shape), one.dtype) for name, one in batch.items()} == {
        "image": ((3, 3, 32, 32), torch.uint8),
        "age_low": ((3,), torch.float32),
        "age_high": ((3,), torch.float32),
        "gender": ((3,), torch.int64),
        "dataset": ((3,), torch.int64),
        "index": ((3,), torch.int64),
    }
    assert batch["image"].is_contiguous(memory_format=torch.channels_last)
    assert np.array_equal(batch["image"].numpy().transpose(0, 2, 3, 1), dataset.images.pixels[[7, 3, 0]])
    assert batch["index"].tolist() == [7, 3, 0] and batch["gender"].tolist() == [0, -1, -1]
    assert batch["age_low"][0] == 7 and batch["age_high"][0] == 9 and torch.isnan(batch["age_low"][1])


def test_rows_map_faces_to_images():
    rows = np.array([39, 5, 20, 11])
    batch = _dataset(rows=rows)[BatchIndex(np.array([2, 0]), 0)]
    assert np.array_equal(batch["image"].numpy().transpose(0, 2, 3, 1), _dataset().images.pixels[[20, 39]])
    assert batch["index"].tolist() == [2, 0] and batch["age_low"].tolist() == [2, 0]


def test_augmentation_gets_the_seed_of_the_batch_and_does_not_change_the_stored_images():
    dataset = _dataset(Standard(hole_size=6))
    before = dataset.images.pixels.copy()
    index = BatchIndex(np.array([4, 9]), 123)
    expected = Standard(hole_size=6)(before[[4, 9]], 123)
    assert np.array_equal(dataset[index]["image"].numpy().transpose(0, 2, 3, 1), expected)
    assert np.array_equal(dataset.images.pixels, before)


@pytest.mark.parametrize("workers", [1, 2])
def test_batches_do_not_depend_on_the_number_of_workers(workers):
    dataset = _dataset(Standard(hole_size=6))
    batches = TrainBatches(np.arange(40), 8, seed=1)
    alone = list(DataLoader(dataset, batch_size=None, sampler=batches))
    context = multiprocessing.get_context("fork")
    shared = DataLoader(
        dataset, batch_size=None, sampler=batches, num_workers=workers, multiprocessing_context=context, persistent_workers=True
    )
    for _ in range(2):
        for one, other in zip(shared, alone, strict=True):
            assert all(torch.equal(one[name], other[name]) for name in other if not name.startswith("age"))
            assert one["image"].is_contiguous(memory_format=torch.channels_last)
    batches.set_epoch(1)
    assert not torch.equal(next(iter(shared))["image"], alone[0]["image"])


def test_evaluation_returns_every_image_unchanged():
    dataset = _dataset()
    batches = list(DataLoader(dataset, batch_size=None, sampler=EvalBatches(np.arange(40), 7)))
    assert torch.cat([batch["index"] for batch in batches]).tolist() == list(range(40))
    images = torch.cat([batch["image"] for batch in batches]).numpy().transpose(0, 2, 3, 1)
    assert np.array_equal(images, dataset.images.pixels)


def test_features_replace_the_images_in_their_epochs():
    class Doubled:
        def of(self, batch: BatchIndex) -> np.ndarray | None:
            return 2.0 * batch.indices[:, None] if batch.epoch < 1 else None

    dataset = FaceDataset(_dataset().images, *np.zeros((3, 40)), features=Doubled())  # type: ignore[arg-type]
    first, second = (dataset[BatchIndex(np.array([7, 3]), 0, epoch)] for epoch in (0, 1))
    assert first["features"].tolist() == [[14.0], [6.0]] and "image" not in first
    assert second["image"].shape == (2, 3, 32, 32) and "features" not in second
