"""The number of usable cores is that of the process, not that of the machine."""

import os
import subprocess
import sys

import pytest

from agegender.data.cores import usable_cores


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
