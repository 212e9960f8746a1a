import numpy as np
import pytest
import torch

from agegender.errors import AgeGenderError
from agegender.heads.dldl import DLDL
from agegender.heads.sord import SORD


def outputs(n, size=2.0):
    return size * torch.randn(n, 117, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def intervals(n):
    ends = torch.randint(0, 117, (n, 2), generator=torch.Generator().manual_seed(0)).double().sort(dim=1).values
    return ends[:, 0], ends[:, 1]


def reference_loss(logits, low, high, power, scale):
    """The formulas of the paper, year by year: softmax of the negative penalty, then the KL divergence from it."""
    results = []
    for row, lo, hi in zip(logits, low, high, strict=True):
        p = np.exp(row - row.max())
        p = p / p.sum()
        age = min(max(sum(year * p_year for year, p_year in enumerate(p)), lo), hi)
        weight = [np.exp(-scale * abs(year - age) ** power) for year in range(len(p))]
        target = [w / sum(weight) for w in weight]
        results.append(sum(t * (np.log(t) - np.log(q)) for t, q in zip(target, p, strict=True) if t > 0))
    return results


@pytest.mark.parametrize(("penalty", "power"), [("absolute", 1), ("squared", 2)])
@pytest.mark.parametrize("scale", [0.3, 1.0])
@pytest.mark.parametrize("exact", [True, False])
def test_loss_equals_a_reference(penalty, power, scale, exact):
    logits, (low, high) = outputs(117), intervals(117)
    if exact:
        low = high = torch.arange(117).double()
    loss = SORD([0, 116], penalty, scale).loss(logits, low, high)
    np.testing.assert_allclose(loss, reference_loss(logits.numpy(), low.tolist(), high.tolist(), power, scale))


def test_gradient_of_an_exact_age_is_that_of_the_cross_entropy_with_soft_labels():
    age = torch.arange(117.0).double()
    one, other = outputs(117).requires_grad_(), outputs(117).requires_grad_()
    SORD([0, 116]).loss(one, age, age).sum().backward()
    target = (-(torch.arange(117) - age[:, None]).abs()).softmax(dim=1)
    torch.nn.functional.cross_entropy(other, target, reduction="sum").backward()
    torch.testing.assert_close(one.grad, other.grad)


def test_the_squared_penalty_equals_dldl():
    logits, (low, high) = outputs(50), intervals(50)
    sord, dldl = SORD([0, 116], "squared", 1 / 8), DLDL([0, 116], sigma=2.0, expectation_weight=0.0)
    torch.testing.assert_close(sord.loss(logits, low, high), dldl.loss(logits, low, high))


def test_the_target_has_no_gradient():
    logits, (low, high) = outputs(20), intervals(20)
    one, other = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    SORD([0, 116]).loss(one, low, high).sum().backward()
    exact = (logits.softmax(dim=1) @ torch.arange(117.0).double()).clamp(low, high)
    SORD([0, 116]).loss(other, exact, exact).sum().backward()
    torch.testing.assert_close(one.grad, other.grad)


def test_a_scale_of_zero_raises_an_error():
    with pytest.raises(AgeGenderError, match=r"head\.scale must be above 0; got 0"):
        SORD([0, 116], scale=0.0)
