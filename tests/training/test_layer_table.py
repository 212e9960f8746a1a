"""The table of layers: shapes, parameters and trainable ones, without side effects on the network."""

import re

import torch
from torch import nn

from agegender.heads.gender import GenderBCE
from agegender.heads.regression import Regression
from agegender.models.backbones import TimmBackbone
from agegender.models.custom_cnn import CustomCNN
from agegender.models.network import Network
from agegender.training.layer_table import layer_table


def network(backbone=None, pool="flatten"):
    heads = {"age": Regression([0, 116]), "gender": GenderBCE()}
    towers = {"age": [nn.Dropout(0.5)]}
    return Network(backbone or CustomCNN(widths=[4, 8]), pool, [nn.LazyLinear(1000)], towers, heads, image_size=16)


def rows(table):
    return [re.split(r"  +", line) for line in table.splitlines()]


def test_every_layer_has_its_output_shape_and_parameters():
    table = rows(layer_table(network()))
    assert table[0] == ["layer", "kind", "output of one image", "parameters", "that train"]
    assert table[1:5] == [
        ["backbone.blocks.0.0", "Conv2d", "4 x 16 x 16", "108", "108"],
        ["backbone.blocks.0.1", "BatchNorm2d", "4 x 16 x 16", "8", "8"],
        ["backbone.blocks.0.2", "MaxPool2d", "4 x 8 x 8", "0", "0"],
        ["backbone.blocks.0.3", "ReLU", "4 x 8 x 8", "0", "0"],
    ]
    assert ["trunk.0", "Linear", "1000", "129,000", "129,000"] in table
    assert ["towers.age.0", "Dropout", "1000", "0", "0"] in table
    assert ["heads.age.layer", "Linear", "1", "1,001", "1,001"] in table


def test_the_last_line_has_all_parameters_and_the_trainable_ones():
    net = network()
    net.backbone.requires_grad_(False)
    table = rows(layer_table(net))
    total, train = (int(cell.replace(",", "")) for cell in table[-1][1:])
    assert total == sum(p.numel() for p in net.parameters())
    assert train == total - sum(p.numel() for p in net.backbone.parameters())
    assert total == sum(int(row[3].replace(",", "")) for row in table[1:-1])


def test_parameters_of_a_module_with_submodules_are_counted():
    net = network(TimmBackbone("test_vit", image_size=16), pool="avg")
    total = rows(layer_table(net))[-1][1]
    assert int(total.replace(",", "")) == sum(p.numel() for p in net.parameters())


def test_the_network_and_the_random_state_stay_unchanged():
    net = network().train()
    net.backbone.eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    torch.manual_seed(5)
    layer_table(net)
    expected = torch.Generator().manual_seed(5)
    assert torch.equal(torch.rand(3), torch.rand(3, generator=expected))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert net.trunk.training and not net.backbone.training
    assert not any(module._forward_hooks for module in net.modules())
