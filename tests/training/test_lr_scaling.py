"""Rules for the learning rate of several processes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agegender.runs.run_directory import RunDirectory
from agegender.train import train
from agegender.training.lr_scaling import LrScaling, factor


@pytest.mark.parametrize(("rule", "processes", "times"), [("none", 8, 1), ("linear", 8, 8), ("sqrt", 9, 3), ("sqrt", 1, 1)])
def test_factor(rule: LrScaling, processes: int, times: float) -> None:
    assert factor(rule, processes) == times


def test_the_log_names_the_rule_when_it_is_on_and_only_then(configure: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    for rule in ("none", "sqrt"):
        run = RunDirectory(tmp_path / rule)
        train(configure(f"optimizer.lr_scaling={rule}", "trainer.max_epochs=1", "test=false"), run)
        line = "optimizer.lr_scaling=sqrt: optimizer.lr=0.001 times 1 (processes: 1)"
        assert (line in run.log.read_text()) == (rule == "sqrt")
        assert ("lr_scaling" in run.log.read_text()) == (rule == "sqrt")
