"""Speed and waiting time of real trainings with a clock set by hand; a stand-in for a GPU."""

import csv
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from agegender.data import timed_loader
from agegender.data.dataset import FaceDataset
from agegender.runs.run_directory import RunDirectory
from agegender.train import train
from agegender.training import throughput
from agegender.training.module import AgeGenderModule
from agegender.training.throughput import Throughput, peak_memory_gb

Configure = Callable[..., dict[str, Any]]


class Clock:
    """A clock that moves only when a batch is loaded or used."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        for module in (timed_loader, throughput):
            patch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: self.now))
        slow = {(FaceDataset, "__getitem__"): 1.0, (AgeGenderModule, "training_step"): 3.0}
        for (kind, name), seconds in {**slow, (AgeGenderModule, "validation_step"): 50.0}.items():
            patch.setattr(kind, name, self.after(getattr(kind, name), seconds))

    def after(self, function: Callable[..., Any], seconds: float) -> Callable[..., Any]:
        def slow(*arguments: Any) -> Any:
            self.now += seconds
            return function(*arguments)

        return slow


def test_speed_and_waiting_time_of_each_epoch_are_in_the_history_and_in_the_log_of_every_logger(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Clock(monkeypatch)
    run = RunDirectory(tmp_path)
    train(configure("test=false", "logger=csv", "loader.num_workers=0", "+trainer.val_check_interval=0.5"), run)
    rows = run.read_history()
    assert len(rows) == 2
    for row in rows:
        assert row["speed/images_per_second"] == pytest.approx(48 / (6 * 4))  # six batches of eight, validation left out
        assert row["speed/data_wait"] == pytest.approx(1 / 4)
        assert row["speed/peak_memory_gb"] == pytest.approx(peak_memory_gb(torch.device("cpu")), rel=0.2)
        assert "speed/gpu_utilisation" not in row
    [file] = run.path.glob("csv/*/metrics.csv")
    with file.open() as text:
        logged = [float(row["speed/data_wait"]) for row in csv.DictReader(text) if row.get("speed/data_wait")]
    assert logged == pytest.approx([1 / 4, 1 / 4])
    assert "epoch 1/2  " in run.log.read_text() and "  2 images/s  train loss" in run.log.read_text()


@pytest.mark.parametrize(
    ("overrides", "cores", "advice"),
    [
        (["loader.cache=none", "loader.num_workers=0"], 8, "loader.cache=disk decodes each image once"),
        (["loader.num_workers=1"], 8, "loader.num_workers=7 loads in more processes (now 1)"),
        (["loader.num_workers=0"], 1, "all 1 cores of this process load already; augment=flip or augment=none"),
    ],
)
def test_one_warning_names_the_setting_that_loads_faster(
    overrides: list[str], cores: int, advice: str, configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throughput, "WAIT_SHARE", -1.0)
    monkeypatch.setattr(throughput, "WAIT_SECONDS", -1.0)
    monkeypatch.setattr(throughput, "usable_cores", lambda: cores)
    run = RunDirectory(tmp_path)
    train(configure("test=false", "trainer.max_epochs=2", *overrides), run)
    [line] = [line for line in run.log.read_text().splitlines() if "waits for data" in line]
    assert advice in line and " WARNING " in line


def test_a_loader_that_chooses_its_workers_does_so_before_any_advice(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throughput, "WAIT_SHARE", -1.0)
    monkeypatch.setattr(throughput, "WAIT_SECONDS", -1.0)
    run = RunDirectory(tmp_path)
    train(configure("test=false", "trainer.max_epochs=2", "loader.num_workers=auto"), run)
    said = run.log.read_text()
    assert 0 < said.index("% of the first epoch: ") < said.index("waits for data")
    assert len(run.read_history()) == 2


def test_a_run_that_hardly_waits_is_not_warned(configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Clock(monkeypatch)
    run = RunDirectory(tmp_path)
    monkeypatch.setattr(throughput, "WAIT_SHARE", 0.3)  # it waits for 0.25 of the time
    train(configure("test=false", "trainer.max_epochs=1", "loader.num_workers=0"), run)
    assert "waits for data" not in run.log.read_text()


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A Trainer, a module that keeps what is logged, and the calls to the GPU."""
    calls: list[str] = []
    now = iter(range(100))
    monkeypatch.setattr(throughput, "time", SimpleNamespace(perf_counter=lambda: float(next(now))))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: calls.append(f"reset {device}"))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 3_000_000_000)
    loader = SimpleNamespace(faces=60, waited=1.0, restart=lambda: None)
    strategy = SimpleNamespace(
        root_device=SimpleNamespace(type="cuda", __str__=lambda _: "cuda"),
        all_gather=lambda own: torch.stack([own, own * 2]),
    )
    trainer = SimpleNamespace(strategy=strategy, train_dataloader=loader, is_global_zero=True, num_devices=2)
    logged: dict[str, float] = {}
    module = SimpleNamespace(log_dict=lambda values, rank_zero_only: logged.update(values))
    monkeypatch.setattr(torch, "tensor", lambda values, device: torch.Tensor(values))
    return trainer, module, logged, calls


def epoch(callback: Throughput, trainer: Any, module: Any, steps: int) -> None:
    callback.on_train_start(trainer, module)
    callback.on_train_epoch_start(trainer, module)
    for _ in range(steps):
        callback.on_train_batch_end(trainer, module, None, None, 0)
    callback.on_train_epoch_end(trainer, module)


def test_memory_and_utilisation_of_a_gpu(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer, module, logged, calls = gpu
    used = iter([50, 100])
    monkeypatch.setattr(torch.cuda, "utilization", lambda device: next(used))
    epoch(Throughput(), trainer, module, steps=2)
    assert len(calls) == 1 and calls[0].startswith("reset")
    assert logged["speed/gpu_utilisation"] == pytest.approx((0.75 + 1.5) / 2)  # the second rank of the stand-in has twice all
    assert logged["speed/peak_memory_gb"] == pytest.approx(6.0)
    assert logged["speed/data_wait"] == pytest.approx(1 / 3)  # one of three seconds, on both
    assert logged["speed/images_per_second"] == pytest.approx((60 + 120) / 6)
    assert logged["speed/images_per_second_rank_1"] == pytest.approx(20)


@pytest.mark.parametrize("error", [ModuleNotFoundError("pynvml does not seem to be installed"), RuntimeError("no driver")])
def test_without_nvml_utilisation_is_left_out_and_said_once(
    error: Exception, gpu: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trainer, module, logged, _ = gpu

    def fail(device: Any) -> int:
        raise error

    monkeypatch.setattr(torch.cuda, "utilization", fail)
    with caplog.at_level("INFO", logger="agegender"):
        epoch(Throughput(), trainer, module, steps=5)
    assert [str(error) in record.message for record in caplog.records] == [True]
    assert "speed/gpu_utilisation" not in logged and logged["speed/images_per_second"] > 0
