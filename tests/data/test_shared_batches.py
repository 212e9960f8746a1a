"""Batches of real worker processes, while their parent keeps all of them and is slower than the workers."""

import time
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

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
