"""The moving average of the weights, compared with its formula."""

import copy

import pytest
import torch
from torch import nn

from agegender.errors import AgeGenderError
from agegender.training.ema import EMA


def test_each_step_moves_the_average_by_one_minus_decay() -> None:
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    callback = EMA(decay=0.9)
    average = torch.optim.swa_utils.AveragedModel(network, use_buffers=True, **callback._kwargs)
    average.update_parameters(network)  # the first one copies
    expected = copy.deepcopy(network)
    for _ in range(3):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter))
            network(torch.randn(8, 3))  # moves the running statistics
            for old, new in zip(expected.state_dict().values(), network.state_dict().values(), strict=True):
                if old.is_floating_point():
                    old.mul_(0.9).add_(new, alpha=0.1)
        average.update_parameters(network)
    for (name, one), other in zip(average.module.state_dict().items(), expected.state_dict().values(), strict=True):
        if one.is_floating_point():
            torch.testing.assert_close(one, other, msg=name)


@pytest.mark.parametrize(("step", "kept"), [(1, 2 / 11), (40, 41 / 50), (79, 80 / 89), (80, 0.9), (1000, 0.9)])
def test_with_warmup_the_average_keeps_less_in_the_first_steps(step: int, kept: float) -> None:
    weight = nn.Linear(1, 1, bias=False)
    callback = EMA(decay=0.9, warmup=True)
    average = torch.optim.swa_utils.AveragedModel(weight, use_buffers=True, **callback._kwargs)
    average.update_parameters(weight)
    old = weight.weight.item()
    with torch.no_grad():
        weight.weight.add_(1.0)
    assert callback.should_update(step_idx=step) and not callback.should_update(epoch_idx=0)
    average.update_parameters(weight)
    assert average.module.weight.item() == pytest.approx(old + 1 - kept)


@pytest.mark.parametrize("decay", [-0.1, 1.1, float("nan")])
def test_a_decay_outside_its_range_is_refused(decay: float) -> None:
    with pytest.raises(AgeGenderError, match=r"callbacks\.ema\.decay=.*between 0 and 1"):
        EMA(decay)
