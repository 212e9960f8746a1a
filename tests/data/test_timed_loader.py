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


class Clocked(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
    """Loading a batch takes a number of seconds on a clock that is set by hand."""

    def __init__(self, clock: list[float], seconds: float) -> None:
        self.clock, self.seconds = clock, seconds

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        self.clock[0] += self.seconds
        return {"index": torch.tensor([number])}

    def __len__(self) -> int:
        return 6


@pytest.mark.parametrize(("seconds", "expected"), [(0.5, 0), (2.0, 1), (25.0, 3)])
def test_the_second_epoch_has_the_workers_that_loading_needed_in_the_first(
    seconds: float, expected: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = [0.0]
    monkeypatch.setattr(timed_loader, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    caplog.set_level("INFO")
    loader = TimedLoader(Clocked(clock, seconds), cores=4)
    numbers = []
    for _ in range(3):
        epoch = []
        for batch in loader:
            epoch += batch["index"].tolist()
            clock[0] += 10.0  # computing
        assert epoch == list(range(6))
        numbers.append(loader.num_workers)
    assert numbers == [0, expected, expected]
    [said] = caplog.messages
    share = 100 * seconds / (seconds + 10)
    assert said.startswith(f"loading took {share:.0f}% of the first epoch: {expected} loader workers")
