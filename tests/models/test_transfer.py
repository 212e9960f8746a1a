"""Weights move to a new network by name and shape, and what does not fit is reported."""

import torch
from torch import nn

from agegender.heads.dldl import DLDL
from agegender.heads.gender import GenderCrossEntropy
from agegender.models.custom_cnn import CustomCNN
from agegender.models.network import Network
from agegender.models.transfer import transfer, transfer_lines


def network(last_age: int, tower: bool = False, widths: tuple[int, ...] = (4, 8)) -> Network:
    heads: dict[str, nn.Module] = {"age": DLDL([0, last_age]), "gender": GenderCrossEntropy()}
    towers = {"age": [nn.LazyLinear(8)]} if tower else {}
    return Network(CustomCNN(widths), "avg", [], towers, heads, 16)


def test_equal_networks_give_equal_outputs() -> None:
    first, second = network(90), network(90)
    parts = transfer(second, first.state_dict())
    assert {name: len(part.loaded) - part.total for name, part in parts.items()} == {
        "backbone": 0, "heads.age": 0, "heads.gender": 0,
    }  # fmt: skip
    images = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    for task, output in first.eval()(images).items():
        torch.testing.assert_close(second.eval()(images)[task], output)


def test_what_does_not_fit_keeps_its_values_and_is_reported_with_both_shapes() -> None:
    earlier, new = network(90), network(60, tower=True)
    before = {name: value.clone() for name, value in new.state_dict().items()}
    parts = transfer(new, {**earlier.state_dict(), "trunk.0.weight": torch.zeros(2)})
    lines = transfer_lines(parts)
    assert "  heads.age: 0 of 2 tensors loaded" in lines
    assert any(line.endswith(": [91, 8] in the earlier model, [61, 8] here") for line in lines)
    assert "  towers.age: 0 of 2 tensors loaded" in lines
    assert "    2 not in the earlier model: towers.age.0.weight, towers.age.0.bias" in lines
    assert "    1 in the earlier model only: trunk.0.weight" in lines
    after = new.state_dict()
    for name, value in after.items():
        kept = name.startswith(("heads.age", "towers"))
        torch.testing.assert_close(value, before[name] if kept else earlier.state_dict()[name])


def test_the_counters_of_batch_norm_alone_are_no_fit() -> None:
    parts = transfer(network(90, widths=(5, 9)), network(90).state_dict())
    assert parts["backbone"].loaded == [] and parts["backbone"].total == 10
