"""Costs that runs did not record are measured."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from torch import nn

from agegender.comparison.cost import measure
from agegender.errors import AgeGenderError
from agegender.heads.gender import GenderBCE
from agegender.models.cost import count
from agegender.models.custom_cnn import CustomCNN
from agegender.models.network import Network


def network() -> Network:
    return Network(CustomCNN((4, 8)), "avg", [nn.LazyLinear(5)], {}, {"gender": GenderBCE()}, 16)


def test_missing_numbers_are_measured_recorded_ones_stay_and_a_broken_run_is_named() -> None:
    def load(run: Any) -> Network:
        if run.path.name == "broken":
            raise AgeGenderError("best.ckpt: no such checkpoint")
        return network()

    runs: list[Any] = [
        SimpleNamespace(path=Path("empty"), model={}),
        SimpleNamespace(path=Path("broken"), model={}),
        SimpleNamespace(path=Path("recorded"), model={"flops": 1, "latency_ms": -1.0}),
    ]
    assert measure(runs, load) == ["broken: not measured: best.ckpt: no such checkpoint"]
    counted = count(network())
    assert {name: runs[0].model[name] for name in counted} == counted and runs[0].model["latency_ms"] > 0
    assert runs[1].model == {}
    assert runs[2].model == {**counted, "flops": 1, "latency_ms": -1.0}
