import math

import numpy as np
import pytest
import torch

from agegender.heads.or_cnn import ORCNN


def outputs(n, size=3.0):
    return size * torch.randn(n, 116, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def intervals(n):
    ends = torch.randint(0, 117, (n, 2), generator=torch.Generator().manual_seed(0)).double().sort(dim=1).values
    return ends[:, 0], ends[:, 1]


def reference_loss(logits, low, high):
    """The sum of the paper over binary tasks with equal weights. Tasks inside the interval are masked."""
    results = []
    for row, lo, hi in zip(logits, low, high, strict=True):
        total = 0.0
        for year, logit in enumerate(row):
            yes = 1 / (1 + math.exp(-logit))
            if lo > year:
                total -= math.log(yes)
            elif hi <= year:
                total -= math.log(1 - yes)
        results.append(total)
    return results


@pytest.mark.parametrize("exact", [True, False])
def test_loss_equals_a_reference(exact):
    logits, (low, high) = outputs(150), intervals(150)
    if exact:
        low = high = torch.arange(150.0).double() % 117
    loss = ORCNN([0, 116]).loss(logits, low, high)
    np.testing.assert_allclose(loss, reference_loss(logits.numpy(), low.tolist(), high.tolist()))


def test_thresholds_inside_an_interval_get_no_gradient():
    logits = outputs(1).requires_grad_()
    ORCNN([0, 116]).loss(logits, torch.tensor([20.0]), torch.tensor([29.9])).backward()
    # older than 19: true; older than 20 to 28: masked; older than 29: false
    assert (logits.grad[0] == 0).nonzero().flatten().tolist() == list(range(20, 29))


def test_predictions_match_the_count_of_the_paper_for_inconsistent_thresholds():
    logits = outputs(300, size=2.0)
    older = logits.sigmoid()
    assert (older.diff(dim=1) > 0).any(dim=1).all()
    head = ORCNN([0, 116], "expectation")
    assert (head.distribution(logits) >= 0).all()
    torch.testing.assert_close(head.predict(logits), older.sum(dim=1))
    count = (older > 0.5).sum(dim=1)
    assert (ORCNN([0, 116]).predict(logits) - count).abs().max() <= 0.5


def test_certain_thresholds_predict_the_label():
    ages = torch.tensor([21.0, 40.0, 60.0])
    logits = torch.where(ages[:, None] > torch.arange(21.0, 60.0), 50.0, -50.0)
    for readout in ("expectation", "median"):
        torch.testing.assert_close(ORCNN([21, 60], readout).predict(logits), ages)
    assert ORCNN([21, 60]).loss(logits, ages, ages).max() < 1e-6


def test_gradients_equal_numerical_gradients():
    low, high = intervals(5)
    head = ORCNN([0, 116])
    assert torch.autograd.gradcheck(lambda x: head.loss(x, low, high), outputs(5).requires_grad_())
