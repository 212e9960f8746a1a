"""The waiting time of a loader, with a clock set by hand."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from agegender.data import timed_loader
from agegender.data.timed_loader import TimedLoader


def test_time_in_the_loader_counts_and_time_of_its_user_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    class Slow(torch.utils.data.Dataset):
        def __getitem__(self, count: int) -> dict[str, torch.Tensor]:
            nonlocal now
            now += 2.0
            return {"index": torch.arange(count)}

    monkeypatch.setattr(timed_loader, "time", SimpleNamespace(perf_counter=lambda: now))
    order: Any = [3, 3, 1]
    loader = TimedLoader(Slow(), batch_size=None, sampler=order)
    for _ in range(2):
        for _ in loader:
            now += 100.0
    assert (loader.waited, loader.faces) == (12.0, 14)
    loader.restart()
    next(iter(loader))
    assert (loader.waited, loader.faces) == (2.0, 3)


def test_batches_of_workers_are_those_of_the_loader_itself() -> None:
    data: Any = [{"index": torch.tensor([number])} for number in range(5)]
    loader = TimedLoader(data, batch_size=None, num_workers=1, persistent_workers=True)
    for _ in range(2):
        assert [int(batch["index"]) for batch in loader] == [0, 1, 2, 3, 4]
    assert loader.faces == 10 and loader.waited > 0
