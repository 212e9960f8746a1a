"""Schedules: learning rates of each step against formulas, and exact resuming."""

import copy
import io
import math

import pytest
import torch
from torch import nn

from agegender.errors import AgeGenderError
from agegender.training.optimizers import SGD, AdamW
from agegender.training.schedules import Constant, Cosine, OneCycle, Plateau

TOTAL, EPOCH = 40, 10
SCHEDULES = {
    "constant": Constant(warmup_epochs=0.5),
    "cosine": Cosine(warmup_epochs=1.0, end_scale=0.1),
    "one_cycle": OneCycle(),
    "plateau": Plateau(factor=0.5, patience=1),
}


def optimizer_of(model: nn.Module) -> torch.optim.Optimizer:
    optimizer = SGD(lr=0.8).build(model)
    optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(1))], "lr": 0.2})
    return optimizer


def rates(schedule, steps: int = TOTAL) -> list[list[float]]:
    """Learning rates of two groups, 0.8 and 0.2, at each step."""
    optimizer = optimizer_of(nn.Linear(2, 2, bias=False))
    scheduler = schedule.build(optimizer, total_steps=TOTAL, steps_per_epoch=EPOCH)["scheduler"]
    history = []
    for _ in range(steps):
        history.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    return history


def test_constant_is_constant_from_the_first_step():
    assert rates(Constant()) == [[0.8, 0.2]] * TOTAL


def test_constant_warms_up_linearly():
    history = rates(Constant(warmup_epochs=0.3))
    assert [large for large, _ in history[:5]] == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8])
    assert history[-1] == [0.8, 0.2]


def test_cosine_equals_its_formula():
    for step, (large, small) in enumerate(rates(Cosine(warmup_epochs=1.0, end_scale=0.1))):
        scale = (step + 1) / 11 if step < 10 else 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * (step - 10) / 30))
        assert (large, small) == pytest.approx((0.8 * scale, 0.2 * scale))


def test_cosine_stays_at_its_end_beyond_the_run():
    assert rates(Cosine(end_scale=0.1), steps=TOTAL + 10)[-1] == pytest.approx([0.08, 0.02])


def test_warm_up_takes_at_most_half_of_a_short_run():
    history = [large for large, _ in rates(Cosine(warmup_epochs=100.0))]
    assert history.index(max(history)) == TOTAL // 2
    assert max(history) == 0.8


@pytest.mark.parametrize("total", [1, 2, 3])
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_the_shortest_runs_work(schedule, total):
    optimizer = optimizer_of(nn.Linear(2, 2))
    entry = schedule.build(optimizer, total_steps=total, steps_per_epoch=total)
    for _ in range(total):
        assert all(0 < group["lr"] <= 0.8 for group in optimizer.param_groups)
        optimizer.step()
        entry["scheduler"].step(*([1.0] if "monitor" in entry else []))


def test_one_cycle_starts_low_peaks_and_ends_lower():
    history = rates(OneCycle(pct_start=0.25, div_factor=10, final_div_factor=100))
    assert history[0] == pytest.approx([0.08, 0.02])
    assert history[9] == pytest.approx([0.8, 0.2])  # end of the first quarter
    assert history[-1] == pytest.approx([0.0008, 0.0002])
    assert max(large for large, _ in history) == pytest.approx(0.8)


@pytest.mark.parametrize("cycle", [True, False])
def test_one_cycle_changes_momentum_if_set(cycle):
    optimizer = AdamW().build(nn.Linear(2, 2))
    OneCycle(cycle_momentum=cycle).build(optimizer, TOTAL, EPOCH)
    assert optimizer.param_groups[0]["betas"] == ((0.95, 0.999) if cycle else (0.9, 0.999))


def test_plateau_halves_every_group_after_its_patience():
    optimizer = optimizer_of(nn.Linear(2, 2, bias=False))
    plateau = Plateau(factor=0.5, patience=1, min_lr=0.15)
    scheduler = plateau.build(optimizer, TOTAL, EPOCH)["scheduler"]
    seen = []
    for metric in [5.0, 4.0, 4.0, 4.0, 4.5, 4.1]:
        scheduler.step(metric)
        seen.append([group["lr"] for group in optimizer.param_groups])
    assert seen == [[0.8, 0.2]] * 3 + [[0.4, 0.15]] * 2 + [[0.2, 0.15]]


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_entry_for_lightning(name):
    entry = SCHEDULES[name].build(optimizer_of(nn.Linear(2, 2)), TOTAL, EPOCH)
    if name == "plateau":
        assert (entry["interval"], entry["monitor"]) == ("epoch", "val/loss")
    else:
        assert entry["interval"] == "step"
        assert "monitor" not in entry


@pytest.mark.parametrize("builder", [SGD(lr=0.1), AdamW(lr=0.1)], ids=["sgd", "adamw"])
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("stop", [0, 7, 23])
def test_a_resumed_run_has_the_same_weights_to_the_last_bit(schedule, builder, stop):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    inputs = torch.randn(TOTAL, 16, 4)

    def start(net):
        optimizer = builder.build(net)
        return optimizer, schedule.build(optimizer, total_steps=TOTAL, steps_per_epoch=EPOCH)

    def run(net, optimizer, entry, first, last):
        for step in range(first, last):
            optimizer.zero_grad()
            net(inputs[step]).square().mean().backward()
            optimizer.step()
            entry["scheduler"].step(*([1.0 + step % 3] if "monitor" in entry else []))

    resumed = copy.deepcopy(model)
    optimizer, entry = start(model)
    run(model, optimizer, entry, 0, TOTAL)

    first_optimizer, first_entry = start(resumed)
    run(resumed, first_optimizer, first_entry, 0, stop)
    file = io.BytesIO()
    torch.save([resumed.state_dict(), first_optimizer.state_dict(), first_entry["scheduler"].state_dict()], file)
    file.seek(0)
    weights, optimizer_state, schedule_state = torch.load(file, weights_only=True)
    fresh = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    fresh.load_state_dict(weights)
    second_optimizer, second_entry = start(fresh)
    second_optimizer.load_state_dict(optimizer_state)
    second_entry["scheduler"].load_state_dict(schedule_state)
    run(fresh, second_optimizer, second_entry, stop, TOTAL)

    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), fresh.parameters(), strict=True))
    settings = [
        [{k: v for k, v in group.items() if k != "params"} for group in o.param_groups] for o in (optimizer, second_optimizer)
    ]
    assert settings[0] == settings[1]


@pytest.mark.parametrize(
    ("schedule", "key", "wrong", "right"),
    [(Constant, "warmup_epochs", [-0.1], [0]), (Cosine, "warmup_epochs", [-1, math.nan], [0]),
     (Cosine, "end_scale", [-0.1, 1.1], [0, 1]), (OneCycle, "pct_start", [0, 1, 2], [0.01, 0.99]),
     (OneCycle, "div_factor", [0, 0.9], [1]), (OneCycle, "final_div_factor", [0.5], [1]), (Plateau, "factor", [0, 1], [0.9]),
     (Plateau, "patience", [-1], [0]), (Plateau, "threshold", [-1], [0]), (Plateau, "min_lr", [-1], [0])],
)  # fmt: skip
def test_values_out_of_range_are_an_error_that_names_the_key(schedule, key, wrong, right):
    for value in wrong:
        with pytest.raises(AgeGenderError, match=rf"^schedule\.{key}={value}: must be "):
            schedule(**{key: value})
    for value in right:
        schedule(**{key: value}).build(optimizer_of(nn.Linear(2, 2)), TOTAL, EPOCH)
