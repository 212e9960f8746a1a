"""glibc keeps freed memory: a tensor that is allocated anew in each step causes page faults in the first steps only."""

import os
import platform
import subprocess
import sys

import pytest

from agegender.configuration.paths import CONF

STEPS = """
import resource, sys
from agegender.training.allocator import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
import torch
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(30): torch.ones(16, 1024, 1024)
before = faults()
for _ in range(10): torch.ones(16, 1024, 1024)
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the settings are those of glibc")
def test_later_steps_cause_no_page_faults() -> None:
    environment = {**os.environ, "PYTHONPATH": str(CONF.parent)}
    kept, given_back = (
        int(subprocess.run([sys.executable, "-c", STEPS, how], env=environment, check=True, capture_output=True).stdout)
        for how in ("keep", "default")
    )
    assert kept < given_back / 10
