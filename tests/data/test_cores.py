"""The number of usable cores is that of the process, not that of the machine."""

import os
import subprocess
import sys

import pytest

from agegender.data.cores import usable_cores, worker_count


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot bind a process to cores")
def test_a_process_bound_to_one_core_has_one_usable_core() -> None:
    code = (
        "import os; os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1]); from agegender.data.cores import usable_cores; "
    )
    done = subprocess.run([sys.executable, "-c", code + "print(usable_cores())"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


def test_systems_without_core_binding_count_all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert usable_cores() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1


@pytest.mark.parametrize(
    ("loading", "computing", "batches", "cores", "expected"),
    [
        (0.9, 10, 100, 8, 0),  # less than a tenth of the time
        (2, 10, 100, 8, 1),
        (25, 10, 100, 8, 3),
        (25, 10, 100, 2, 1),  # the trainer keeps a core
        (25, 10, 100, 1, 0),
        (1000, 1, 100, 16, 15),
        (1, 0, 100, 4, 3),
        (0, 0, 0, 4, 0),
        (0.9, 1, 1000, 4, 0),  # less than a millisecond a batch
        (1.1, 1, 1000, 4, 2),
    ],
)
def test_workers_load_as_fast_as_the_trainer_computes(
    loading: float, computing: float, batches: int, cores: int, expected: int
) -> None:
    assert worker_count(loading, computing, batches, cores) == expected
