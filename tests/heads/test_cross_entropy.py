import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from agegender.heads.age_bins import AgeBins
from agegender.heads.cross_entropy import CrossEntropy


def outputs(n, size=3.0):
    return size * torch.randn(n, 117, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def intervals(n):
    ends = torch.randint(0, 117, (n, 2), generator=torch.Generator().manual_seed(0)).double().sort(dim=1).values
    return ends[:, 0], ends[:, 1]


def reference_loss(logits, low, high):
    results = []
    for row, lo, hi in zip(logits, low, high, strict=True):
        p = np.exp(row - row.max())
        p = p / p.sum()
        results.append(-math.log(sum(p[year] for year in range(len(p)) if lo <= year <= hi)))
    return results


def test_loss_of_an_exact_age_is_the_cross_entropy():
    logits, age = outputs(117), torch.arange(117)
    head = CrossEntropy([0, 116])
    expected = F.cross_entropy(logits, age, reduction="none")
    torch.testing.assert_close(head.loss(logits, age.double(), age.double()), expected)
    torch.testing.assert_close(head.loss(logits, age + 0.4, age + 0.9), expected)  # fractions of a year are rounded down


def test_loss_of_an_interval_equals_a_reference():
    logits, (low, high) = outputs(200), intervals(200)
    loss = CrossEntropy([0, 116]).loss(logits, low, high)
    np.testing.assert_allclose(loss, reference_loss(logits.numpy(), low.tolist(), high.tolist()), atol=1e-12)


def test_it_equals_age_bins_of_one_year():
    logits, (low, high) = outputs(100), intervals(100)
    head, bins = CrossEntropy([0, 116], "median"), AgeBins([0, 116], list(range(117)), "median")
    torch.testing.assert_close(head.loss(logits, low, high), bins.loss(logits, low, high))
    torch.testing.assert_close(head.predict(logits), bins.predict(logits))


def test_gradients_equal_numerical_gradients():
    low, high = intervals(5)
    head = CrossEntropy([0, 116])
    assert torch.autograd.gradcheck(lambda x: head.loss(x, low, high), outputs(5).requires_grad_())


def test_readouts_with_an_age_range_that_does_not_start_at_zero():
    logits = torch.full((1, 40), -torch.inf)
    logits[0, [0, 9, 29]] = torch.tensor([0.6, 0.3, 0.1]).log()
    assert CrossEntropy([21, 60]).predict(logits).item() == pytest.approx(0.6 * 21 + 0.3 * 30 + 0.1 * 50)
    assert CrossEntropy([21, 60], "median").predict(logits).item() == pytest.approx(20.5 + 0.5 / 0.6)
    thirty = torch.tensor([30.0])
    assert CrossEntropy([21, 60]).loss(logits, thirty, thirty).item() == pytest.approx(-math.log(0.3))
