"""Costs against counting by hand."""

import torch
from torch import nn

from agegender.heads.gender import GenderBCE
from agegender.models.cost import count, latencies_ms
from agegender.models.custom_cnn import CustomCNN
from agegender.models.network import Network


def network(widths: tuple[int, ...] = (4, 8), image_size: int = 16) -> Network:
    return Network(CustomCNN(widths), "avg", [nn.LazyLinear(5)], {}, {"gender": GenderBCE()}, image_size).eval()


def test_parameters_and_flops_by_hand() -> None:
    convolutions = 2 * 16 * 16 * 9 * 3 * 4 + 2 * 8 * 8 * 9 * 4 * 8  # two a multiply-add
    net = network()
    net.trunk.requires_grad_(False)
    assert count(net) == {
        "flops": convolutions + 2 * 8 * 5 + 2 * 5 * 1,
        "parameters": 9 * 3 * 4 + 2 * 4 + 9 * 4 * 8 + 2 * 8 + (8 * 5 + 5) + (5 + 1),
        "trainable": 9 * 3 * 4 + 2 * 4 + 9 * 4 * 8 + 2 * 8 + (5 + 1),
    }


def test_counting_amid_training_leaves_no_trace() -> None:
    net = network().train()
    net.backbone.eval()  # as a frozen one is
    before = {name: value.clone() for name, value in net.state_dict().items()}
    count(net)
    assert net.training and net.trunk.training and not net.backbone.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_models_take_turns_on_one_thread_and_threads_are_given_back() -> None:
    before, calls = torch.get_num_threads(), []
    nets = [network(), network()]
    for name, net in zip("ab", nets, strict=True):
        net.register_forward_hook(lambda *_, name=name: calls.append((name, torch.get_num_threads())))
    times = latencies_ms(nets, rounds=3)
    assert calls == [("a", 1), ("b", 1)] * 5
    assert len(times) == 2 and min(times) > 0
    assert torch.get_num_threads() == before
