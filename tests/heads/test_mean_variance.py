import math

import numpy as np
import pytest
import torch

from agegender.errors import AgeGenderError
from agegender.heads.cross_entropy import CrossEntropy
from agegender.heads.mean_variance import MeanVariance


def outputs(n, size=2.0):
    return size * torch.randn(n, 117, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def intervals(n):
    ends = torch.randint(0, 117, (n, 2), generator=torch.Generator().manual_seed(0)).double().sort(dim=1).values
    return ends[:, 0], ends[:, 1]


def reference_loss(logits, low, high):
    """Softmax, mean and variance loss of the paper with its weights 0.2 and 0.05."""
    results = []
    for row, lo, hi in zip(logits, low, high, strict=True):
        p = np.exp(row - row.max())
        p = p / p.sum()
        mean = sum(year * p_year for year, p_year in enumerate(p))
        variance = sum(p_year * (year - mean) ** 2 for year, p_year in enumerate(p))
        inside = sum(p_year for year, p_year in enumerate(p) if lo <= year <= hi)
        target = min(max(mean, lo), hi)
        results.append(-math.log(inside) + 0.2 * (mean - target) ** 2 / 2 + 0.05 * variance)
    return results


@pytest.mark.parametrize("exact", [True, False])
def test_loss_equals_a_reference(exact):
    logits, (low, high) = outputs(117), intervals(117)
    if exact:
        low = high = torch.arange(117).double()
    loss = MeanVariance([0, 116]).loss(logits, low, high)
    np.testing.assert_allclose(loss, reference_loss(logits.numpy(), low.tolist(), high.tolist()))


def test_loss_with_both_weights_zero_is_the_cross_entropy():
    logits, (low, high) = outputs(50), intervals(50)
    loss = MeanVariance([0, 116], 0.0, 0.0).loss(logits, low, high)
    torch.testing.assert_close(loss, CrossEntropy([0, 116]).loss(logits, low, high))


def test_the_mean_term_is_zero_inside_an_interval():
    logits = (-((torch.arange(117.0) - 25) ** 2) / 4)[None].requires_grad_()
    low, high = torch.tensor([20.0]), torch.tensor([29.0])
    with_mean, without = (MeanVariance([0, 116], weight).loss(logits, low, high) for weight in (0.2, 0.0))
    assert with_mean.item() == without.item()
    assert MeanVariance([0, 116]).loss(logits, low + 10, high + 10).item() > with_mean.item() + 0.2 * 4.9**2 / 2


def test_gradients_equal_numerical_gradients():
    low, high = intervals(5)
    head = MeanVariance([0, 116])
    assert torch.autograd.gradcheck(lambda x: head.loss(x, low, high), outputs(5).requires_grad_())


@pytest.mark.parametrize("wrong", [{"mean_weight": -1.0}, {"variance_weight": -0.1}])
def test_negative_weights_raise_an_error(wrong):
    with pytest.raises(AgeGenderError, match=r"head\.mean_weight and head\.variance_weight must be at least 0"):
        MeanVariance([0, 116], **wrong)
