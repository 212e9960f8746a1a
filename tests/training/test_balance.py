"""Balances of task losses against their formulas, with and without labels."""

import math

import pytest
import torch

from agegender.training.balance import Fixed, Uncertainty


def losses(**values: float) -> dict[str, torch.Tensor]:
    return {task: torch.tensor(value, requires_grad=True) for task, value in values.items()}


def test_fixed_weights_are_a_weighted_sum():
    both = losses(age=3.0, gender=0.5)
    total = Fixed(age=0.1, gender=2.0)(both)
    total.backward()
    assert total.item() == pytest.approx(0.1 * 3.0 + 2.0 * 0.5)
    assert (both["age"].grad.item(), both["gender"].grad.item()) == pytest.approx((0.1, 2.0))


def test_fixed_weights_work_for_one_task_and_have_no_parameters():
    balance = Fixed(gender=4.0)
    assert balance(losses(gender=0.5)).item() == pytest.approx(2.0)
    assert list(balance.parameters()) == []


def test_uncertainty_is_the_formula_of_the_paper():
    balance = Uncertainty(age=1.2, gender=-0.3)
    expected = math.exp(-1.2) * 3.0 + 1.2 / 2 + math.exp(0.3) * 0.5 - 0.3 / 2
    assert balance(losses(age=3.0, gender=0.5)).item() == pytest.approx(expected)


def test_learned_weights_converge_to_the_inverse_of_twice_the_loss():
    balance = Uncertainty()
    optimizer = torch.optim.SGD(balance.parameters(), lr=0.3)
    for _ in range(300):
        optimizer.zero_grad()
        balance(losses(age=7.0, gender=0.2)).backward()
        optimizer.step()
    weights = {task: math.exp(-s.item()) for task, s in balance.log_variances.items()}
    assert weights == pytest.approx({"age": 1 / 14, "gender": 1 / 0.4}, rel=1e-3)


def test_the_parameter_of_an_absent_task_has_a_zero_gradient():
    balance = Uncertainty(gender=2.0)
    total = balance(losses(age=3.0))
    total.backward()
    assert total.item() == pytest.approx(3.0)
    assert balance.log_variances["gender"].grad.item() == 0
    assert balance.log_variances["age"].grad.item() == pytest.approx(-3.0 + 0.5)


def test_a_batch_without_labels_moves_no_weight():
    balance = Uncertainty(age=1.0, gender=1.0)
    both = losses(age=0.0, gender=0.5)
    total = balance(both)
    total.backward()
    assert total.item() == pytest.approx(0.5 * math.exp(-1) + 0.5)
    assert balance.log_variances["age"].grad.item() == 0
    assert both["age"].grad.item() == pytest.approx(math.exp(-1))  # still connected


def test_log_variances_stay_in_range_and_come_back():
    balance = Uncertainty(age=-5.0, log_variance_range=[-1.0, 1.0])
    total = balance(losses(age=3.0))
    total.backward()
    assert total.item() == pytest.approx(3 * math.e - 0.5)
    assert balance.log_variances["age"].item() == -1.0
    assert balance.log_variances["age"].grad.item() < 0  # free to rise again


def test_a_label_on_another_rank_counts():
    balance = Uncertainty(age=1.0)
    none_here = losses(age=0.0)
    total = balance(none_here, {"age": torch.tensor(True)})
    total.backward()
    assert total.item() == pytest.approx(1.0 / 2)
    assert balance.log_variances["age"].grad.item() == pytest.approx(1 / 2)
