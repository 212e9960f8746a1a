"""What the ranks of a job on GPUs get, with a stand-in for the number of GPUs: nothing here computes on a GPU."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import lightning.fabric.accelerators.cuda as fabric_cuda
import lightning.pytorch.accelerators.cuda as lightning_cuda
import pytest
import torch
from lightning.pytorch.plugins import MixedPrecision
from lightning.pytorch.strategies import DDPStrategy

from agegender.configuration.command import compose
from agegender.errors import AgeGenderError
from agegender.processes import ranks
from agegender.processes.launch import launch
from agegender.sweeps.places import Places
from agegender.training.sync_batchnorm import SyncBatchNorm
from agegender.training.trainer import build_trainer

RANK = {"TORCHELASTIC_RUN_ID": "x", "RANK": "2", "LOCAL_RANK": "2", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "4",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}  # fmt: skip


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lightning and PyTorch count four GPUs."""
    for module in (fabric_cuda, lightning_cuda):
        monkeypatch.setattr(module, "num_cuda_devices", lambda: 4)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)


def trainer_of(*overrides: str) -> Any:
    settings = ranks.trainer_arguments(compose(list(overrides))["trainer"])
    return build_trainer(**settings, logger=False, enable_checkpointing=False, enable_progress_bar=False)


@pytest.mark.parametrize(
    ("precision", "dtype", "scales"),
    [("32-true", None, False), ("16-mixed", torch.float16, True), ("bf16-mixed", torch.bfloat16, False)],
)
def test_a_rank_on_gpus_has_its_device_precision_and_backend(
    precision: str, dtype: torch.dtype | None, scales: bool, gpus: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in RANK.items():
        monkeypatch.setenv(name, value)
    trainer = trainer_of("trainer=ddp", f"trainer.precision={precision}", "trainer.sync_batchnorm=true")
    assert isinstance(trainer.strategy, DDPStrategy)
    assert trainer.strategy.root_device == torch.device("cuda", 2)
    assert trainer.strategy._get_process_group_backend() == "nccl"
    assert (trainer.world_size, trainer.global_rank, trainer.num_devices, trainer.num_nodes) == (4, 2, 4, 1)
    assert isinstance(trainer.strategy._layer_sync, SyncBatchNorm)
    plugin = trainer.precision_plugin
    assert isinstance(plugin, MixedPrecision) == (dtype is not None)
    if isinstance(plugin, MixedPrecision):
        assert (plugin.device, plugin.scaler is not None) == ("cuda", scales)
        assert plugin.autocast_context_manager().fast_dtype == dtype


@pytest.mark.parametrize(
    ("choice", "precision", "device"), [("gpu", "16-mixed", torch.device("cuda", 0)), ("cpu", "32-true", torch.device("cpu"))]
)
def test_the_presets_of_one_device(choice: str, precision: str, device: torch.device, gpus: None) -> None:
    trainer = trainer_of(f"trainer={choice}")
    assert (trainer.precision, trainer.strategy.root_device, trainer.world_size) == (precision, device, 1)


def test_several_machines(gpus: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**RANK, "RANK": "6", "WORLD_SIZE": "8", "GROUP_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    trainer = trainer_of("trainer=ddp")
    assert (trainer.world_size, trainer.num_nodes, trainer.global_rank, trainer.local_rank) == (8, 2, 6, 2)
    assert trainer.strategy.root_device == torch.device("cuda", 2)


def test_more_devices_than_there_are_is_one_line(gpus: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**RANK, "LOCAL_WORLD_SIZE": "6", "WORLD_SIZE": "6"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(AgeGenderError, match=r"^trainer: .*\[0, 1, 2, 3, 4, 5\].*\[0, 1, 2, 3\]$"):
        trainer_of("trainer=ddp", "trainer.devices=6")


SHOW = """
import json, os, pathlib
names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "CUDA_VISIBLE_DEVICES",
         "AGEGENDER_RUN_DIR", "TORCHELASTIC_RUN_ID")
pathlib.Path(os.environ["AGEGENDER_RUN_DIR"], os.environ["RANK"]).write_text(json.dumps({n: os.environ[n] for n in names}))
"""


def test_each_rank_of_the_second_job_on_a_machine_sees_the_second_half_of_its_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = Places(2, [str(number) for number in range(8)], cores=16)
    trainer = {"accelerator": "auto", "devices": 4}
    first, second = places.take(trainer), places.take(trainer)
    assert first == {"CUDA_VISIBLE_DEVICES": "0,1,2,3"} and second is not None

    (tmp_path / "show_rank.py").write_text(SHOW)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setattr(sys, "argv", ["train"])
    for name, value in second.items():
        monkeypatch.setenv(name, value)
    assert launch("show_rank", 4, tmp_path) == 0
    seen = [json.loads((tmp_path / str(rank)).read_text()) for rank in range(4)]
    assert [(one["RANK"], one["LOCAL_RANK"]) for one in seen] == [(str(rank), str(rank)) for rank in range(4)]
    shared = [{name: value for name, value in one.items() if name not in ("RANK", "LOCAL_RANK")} for one in seen]
    assert all(one == shared[0] for one in shared)
    assert shared[0]["CUDA_VISIBLE_DEVICES"] == "4,5,6,7" and shared[0]["WORLD_SIZE"] == "4"
    assert shared[0]["AGEGENDER_RUN_DIR"] == str(tmp_path)
