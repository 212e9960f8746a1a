import numpy as np
import pytest
import torch
from torch.nn import functional as F

from agegender.errors import AgeGenderError
from agegender.heads.dldl import DLDL


def reference_loss(logits, low, high, first, sigma, weight):
    """The formulas of the papers, face by face and year by year."""
    results = []
    for row, lo, hi in zip(logits, low, high, strict=True):
        ages = [first + i for i in range(len(row))]
        p = np.exp(row - row.max())
        p = p / p.sum()
        expected = sum(a * p_a for a, p_a in zip(ages, p, strict=True))
        centre = min(max(expected, lo), hi)
        gauss = [np.exp(-((a - centre) ** 2) / (2 * sigma**2)) for a in ages]
        kl = 0.0
        for g, p_a in zip(gauss, p, strict=True):
            q = g / sum(gauss)
            kl += q * (np.log(q) - np.log(p_a)) if q > 0 else 0.0
        results.append(kl + weight * abs(expected - centre))
    return results


def outputs(n, ages, size=2.0, seed=0):
    return size * torch.randn(n, ages, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def intervals(n, last=116):
    ends = torch.randint(0, last + 1, (n, 2), generator=torch.Generator().manual_seed(0)).double().sort(dim=1).values
    return ends[:, 0], ends[:, 1]


@pytest.mark.parametrize("sigma", [0.5, 2.0, 5.0])
@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_loss_of_an_exact_age_equals_the_papers(sigma, weight):
    logits, age = outputs(117, 117), torch.arange(117).double()
    years = torch.arange(117).double()
    target = torch.exp(-((years - age[:, None]) ** 2) / (2 * sigma**2))
    target = target / target.sum(dim=1, keepdim=True)
    expected = F.kl_div(logits.log_softmax(dim=1), target, reduction="none").sum(dim=1)
    expected = expected + weight * F.l1_loss(logits.softmax(dim=1) @ years, age, reduction="none")
    loss = DLDL([0, 116], sigma, weight).loss(logits, age, age)
    torch.testing.assert_close(loss, expected)
    np.testing.assert_allclose(loss, reference_loss(logits.numpy(), age.tolist(), age.tolist(), 0, sigma, weight))


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_loss_of_an_interval_equals_a_reference(weight):
    logits, (low, high) = outputs(200, 117), intervals(200)
    loss = DLDL([0, 116], 2.0, weight).loss(logits, low, high)
    np.testing.assert_allclose(loss, reference_loss(logits.numpy(), low.tolist(), high.tolist(), 0, 2.0, weight))


def test_a_gaussian_inside_the_interval_has_loss_and_gradient_zero():
    years = torch.arange(117).double()
    logits = (-((years - 25.3) ** 2) / (2 * 2.0**2))[None].requires_grad_()
    loss = DLDL([0, 116], 2.0, 1.0).loss(logits, torch.tensor([20.0]), torch.tensor([29.0]))
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-9)
    assert logits.grad.abs().max() < 1e-7
    outside = DLDL([0, 116], 2.0, 1.0).loss(logits, torch.tensor([40.0]), torch.tensor([49.0]))
    assert outside.item() > 14.7


def test_gradients_equal_numerical_gradients_with_a_constant_target():
    age = torch.arange(0.0, 40.0, 2.0).double()
    head = DLDL([0, 40], 2.0, 0.7)
    assert torch.autograd.gradcheck(lambda x: head.loss(x, age, age), outputs(20, 41).requires_grad_())
    # For an interval the target follows the prediction without a gradient: same gradient as for an exact age at that point.
    logits, (low, high) = outputs(20, 41), intervals(20, last=40)
    expected = logits.softmax(dim=1) @ torch.arange(41).double()
    one, other = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    head.loss(one, low, high).sum().backward()
    exact = expected.clamp(low, high)
    head.loss(other, exact, exact).sum().backward()
    off = (expected < low) | (expected > high)
    assert 0 < off.sum() < 20
    torch.testing.assert_close(one.grad[off], other.grad[off])
    no_pull = DLDL([0, 40], 2.0, 0.0)
    again = logits.clone().requires_grad_()
    no_pull.loss(again, exact, exact).sum().backward()
    torch.testing.assert_close(one.grad[~off], again.grad[~off])


@pytest.mark.parametrize("sigma", [0.01, 0.1, 100.0])
def test_loss_and_gradients_are_finite_for_very_small_and_large_sigma(sigma):
    logits = outputs(3, 117).float().requires_grad_()
    age = torch.tensor([30.5, 0.0, 115.7])
    loss = DLDL([0, 116], sigma).loss(logits, age, age)
    loss.sum().backward()
    assert loss.isfinite().all() and logits.grad.isfinite().all()


def test_readouts_and_distribution():
    logits = torch.full((1, 40), -torch.inf)
    logits[0, [0, 9, 29]] = torch.tensor([0.6, 0.3, 0.1]).log()
    assert DLDL([21, 60], readout="expectation").predict(logits).item() == pytest.approx(0.6 * 21 + 0.3 * 30 + 0.1 * 50)
    assert DLDL([21, 60], readout="median").predict(logits).item() == pytest.approx(20.5 + 0.5 / 0.6)
    assert DLDL([21, 60]).distribution(logits)[0, 9].item() == pytest.approx(0.3)


def test_minimising_the_loss_gives_the_label():
    logits = torch.zeros(3, 117, requires_grad=True)
    age = torch.tensor([5.0, 33.0, 90.0])
    head = DLDL([0, 116])
    optimizer = torch.optim.Adam([logits], lr=0.3)
    for _ in range(400):
        optimizer.zero_grad()
        head.loss(logits, age, age).sum().backward()
        optimizer.step()
    torch.testing.assert_close(head.predict(logits), age, atol=0.5, rtol=0)


@pytest.mark.parametrize("wrong", [{"sigma": 0.0}, {"sigma": -1.0}, {"expectation_weight": -0.1}])
def test_sigma_and_weight_are_checked(wrong):
    with pytest.raises(AgeGenderError, match=r"head\.sigma must be above 0"):
        DLDL([0, 116], **wrong)
