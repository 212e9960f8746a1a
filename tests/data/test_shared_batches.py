"""Batches of real worker processes, while their parent keeps all of them and is slower than the workers."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from agegender.data import shared_batches
from agegender.data.augment import Standard
from agegender.data.batches import BatchIndex
from agegender.data.cache import ImageCache
from agegender.data.dataset import FaceDataset
from agegender.data.shared_batches import AHEAD, SharedBatch, SharedBatches
from agegender.data.timed_loader import TimedLoader

BATCHES = 17


class Numbered(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """Batches of different lengths with all types, filled with their number; the last one is empty."""

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        count = 0 if number == BATCHES - 1 else 1 + number % 5 * (1 + number // 8)
        image = torch.full((count, 9, 7, 3), number, dtype=torch.uint8).permute(0, 3, 1, 2)
        age = torch.full((count,), float("nan") if number % 2 else number / 4)
        return {"image": image, "age_low": age, "index": torch.arange(count) + 1000 * number}

    def __len__(self) -> int:
        return BATCHES


@pytest.mark.parametrize(("workers", "context"), [(1, "fork"), (2, "fork"), (1, "spawn")])
def test_batches_of_workers_are_equal_to_those_of_the_dataset_and_stay_so(workers: int, context: str) -> None:
    data = Numbered()
    loader = TimedLoader(data, workers, multiprocessing_context=context)
    for _ in range(2):  # the second epoch has the same workers
        kept = []
        for batch in loader:
            time.sleep(0.005)  # the workers overtake
            kept.append(batch)
        assert len(kept) == BATCHES
        for number, batch in enumerate(kept):
            for name, expected in data[number].items():
                found = batch[name]
                assert torch.equal(found.nan_to_num(-1), expected.nan_to_num(-1)), (number, name)
                assert (found.dtype, found.stride()) == (expected.dtype, expected.stride())


def test_an_epoch_that_was_left_early_does_not_disturb_the_next() -> None:
    loader = TimedLoader(Numbered(), 2)
    for _ in range(3):
        assert next(iter(loader))["index"].tolist() == [0]
    assert [len(batch["index"]) for batch in loader] == [len(Numbered()[number]["index"]) for number in range(BATCHES)]


def test_each_worker_sends_few_buffers_and_later_batches_use_them_again() -> None:
    data: Any = [{"image": torch.zeros(4, 3, 8, 8, dtype=torch.uint8)}] * 40
    shared = SharedBatches()
    loader = DataLoader(data, batch_size=None, num_workers=2, prefetch_factor=AHEAD, collate_fn=shared)
    sent = 0
    for message in loader:
        assert isinstance(message, SharedBatch)
        sent += message.buffer is not None
        shared.read(message)
    assert sent == 2 * (AHEAD + 1)


def test_errors_of_workers_reach_the_parent() -> None:
    class Broken(Numbered):
        def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
            if number == 3:
                raise ValueError("face 3")
            return super().__getitem__(number)

    with pytest.raises(ValueError, match="face 3"):
        list(TimedLoader(Broken(), 2))


def test_without_workers_batches_pass_unchanged() -> None:
    shared, batch = SharedBatches(), Numbered()[3]
    assert shared(batch) is batch and shared.read(batch) is batch


class Elsewhere(Standard):
    """Returns its result in memory of its own."""

    def __call__(self, images: np.ndarray, seed: int) -> np.ndarray:
        return super().__call__(images, seed).copy()


def faces(folder: Path, augment: Any) -> FaceDataset:
    """40 faces of random pixels in a file."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 12, 12, 3), dtype=np.uint8)
    pixels.tofile(folder / "pixels.uint8")
    age = np.arange(40.0)
    return FaceDataset(ImageCache(folder / "pixels.uint8", 40, 12), age, age + 1, np.arange(40) % 2, augment)


SIZES = (3, 7, 7, 0, 7, 7, 7, 2, 5, 12, 1, 7)


@pytest.mark.parametrize(("workers", "augment"), [(1, Standard(hole_size=4)), (2, Elsewhere(hole_size=4)), (2, None)])
def test_faces_are_the_same_with_and_without_workers(workers: int, augment: Any, tmp_path: Path) -> None:
    data, generator = faces(tmp_path, augment), np.random.default_rng(1)
    index = [BatchIndex(generator.integers(0, 40, size), seed) for seed, size in enumerate(SIZES)]
    loader = TimedLoader(data, workers, sampler=index)
    for _ in range(2):
        found = list(loader)
        assert len(found) == len(index)
        for batch, expected in zip(found, map(data.__getitem__, index), strict=True):
            assert all(torch.equal(batch[name], expected[name]) for name in expected)
            assert not len(batch["index"]) or batch["image"].is_contiguous(memory_format=torch.channels_last)


def test_a_worker_loads_images_in_the_buffer_that_it_sends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, shared = faces(tmp_path, Standard(hole_size=4)), SharedBatches()
    expected = [data[BatchIndex(np.arange(8), seed)] for seed in range(3 * (AHEAD + 1))]
    monkeypatch.setattr(shared_batches, "get_worker_info", lambda: SimpleNamespace(id=0, dataset=data))
    in_place = []
    for seed, right in enumerate(expected):
        batch = data[BatchIndex(np.arange(8), seed)]
        message = shared(batch)
        assert isinstance(message, SharedBatch)
        buffer = shared._buffers[message.slot]
        in_place.append(0 < batch["image"].data_ptr() - buffer.data_ptr() < buffer.nbytes)
        found = shared.read(message)
        assert all(torch.equal(found[name], right[name]) for name in right)
    assert in_place == [False] * (AHEAD + 1) + [True] * 2 * (AHEAD + 1)  # the first ones find the size of the buffers
