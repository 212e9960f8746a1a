"""Devices of jobs that run at the same time are disjoint."""

from typing import Any

import pytest

from agegender.errors import AgeGenderError
from agegender.sweeps.places import Places, places_here, visible_gpus

GPU: dict[str, Any] = {"accelerator": "gpu", "devices": 2}
CPU: dict[str, Any] = {"accelerator": "cpu", "devices": 1}


def test_gpus_are_handed_out_once_and_come_back() -> None:
    places = Places(3, ["0", "1", "2", "3"], cores=8)
    first, second = places.take(GPU), places.take(GPU)
    assert first == {"CUDA_VISIBLE_DEVICES": "0,1"}
    assert second == {"CUDA_VISIBLE_DEVICES": "2,3"}
    assert places.take(GPU) is None  # a third job may run, but no GPU is free
    assert first is not None
    places.give_back(first)
    assert places.take({"accelerator": "gpu", "devices": 1}) == {"CUDA_VISIBLE_DEVICES": "0"}


def test_no_more_jobs_than_parallel() -> None:
    places = Places(1, [], cores=8)
    first = places.take(CPU)
    assert first == {}  # one job has all cores, as PyTorch takes them by itself
    assert places.take(CPU) is None
    places.give_back(first)
    assert places.take(CPU) is not None


def test_cores_are_divided_by_jobs_and_ranks() -> None:
    places = Places(2, [], cores=8)
    assert places.take({"accelerator": "cpu", "devices": 2}) == {"OMP_NUM_THREADS": "2"}


def test_a_job_that_needs_more_gpus_than_there_are_is_refused() -> None:
    with pytest.raises(AgeGenderError, match=r"trainer.devices=2: there is 1 GPU here"):
        Places(1, ["0"], cores=8).require_room_for(GPU)
    Places(1, ["0"], cores=8).require_room_for(CPU)


@pytest.mark.parametrize("accelerator", ["gpu", "cuda"])
def test_a_job_for_gpus_is_refused_where_there_is_none(accelerator: str) -> None:
    with pytest.raises(AgeGenderError, match=rf"^trainer\.accelerator={accelerator}: there is no GPU here$"):
        Places(1, [], cores=8).require_room_for({"accelerator": accelerator, "devices": 1})
    Places(1, [], cores=8).require_room_for({"accelerator": "auto", "devices": 1})


@pytest.mark.parametrize("parallel", [0, -1, "x", 1.5, True])
def test_parallel_must_be_positive(parallel: Any) -> None:
    with pytest.raises(AgeGenderError, match=r"hydra.launcher.parallel=.*at least 1"):
        Places(parallel, [], cores=8)


def test_visible_gpus_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-abc")
    assert visible_gpus() == ["3", "GPU-abc"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus() == []


def test_places_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    assert places_here(2, [CPU, GPU]).gpus == ["0", "1"]
    assert places_here(2, [CPU]).gpus == []
    with pytest.raises(AgeGenderError, match=r"trainer.devices=3: there are 2 GPUs here"):
        places_here(2, [CPU, {"accelerator": "auto", "devices": 3}])


def test_a_job_of_several_machines_is_refused() -> None:
    with pytest.raises(AgeGenderError, match=r"trainer.num_nodes=2: this starts processes on this machine only"):
        places_here(1, [CPU, {**CPU, "num_nodes": 2}])
