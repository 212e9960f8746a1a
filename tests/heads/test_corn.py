import math

import numpy as np
import torch

from agegender.heads.corn import CORN


def outputs(n, center=3.0):
    return center + 2 * torch.randn(n, 116, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def intervals(n):
    ends = torch.randint(0, 117, (n, 2), generator=torch.Generator().manual_seed(0)).double().sort(dim=1).values
    return ends[:, 0], ends[:, 1]


def reference_loss(logits, ages):
    """The loss of the paper, task by task: the subset, its binary cross-entropy, and the number of pairs of face and task."""
    total, pairs = 0.0, 0
    for task in range(logits.shape[1]):
        for row, age in zip(logits, ages, strict=True):
            if age >= task:  # the subset of the task: faces of at least this age
                f = 1 / (1 + math.exp(-row[task]))
                total -= math.log(f) if age > task else math.log(1 - f)
                pairs += 1
    return total, total / pairs


def test_loss_of_exact_ages_equals_the_paper_up_to_the_divisor():
    ages = torch.randint(0, 117, (60,), generator=torch.Generator().manual_seed(1)).double()
    ages[:2] = torch.tensor([0.0, 116.0])
    logits = outputs(60)
    loss = CORN([0, 116]).loss(logits, ages, ages)
    total, published = reference_loss(logits.numpy(), ages.tolist())
    np.testing.assert_allclose(loss.sum(), total)
    pairs = sum(min(age, 115) + 1 for age in ages.tolist())
    np.testing.assert_allclose(loss.sum() / pairs, published)


def test_loss_of_a_face_does_not_depend_on_the_batch():
    logits, (low, high) = outputs(10), intervals(10)
    head = CORN([0, 116])
    torch.testing.assert_close(head.loss(logits, low, high)[:1], head.loss(logits[:1], low[:1], high[:1]))


def test_loss_of_an_interval_equals_a_reference():
    """Minus the log of P(older than every year below the interval) * (1 - P(older than its last year, given that))."""
    logits, (low, high) = outputs(200), intervals(200)
    expected = []
    for row, lo, hi in zip(logits.numpy(), low.tolist(), high.tolist(), strict=True):
        f = [1 / (1 + math.exp(-logit)) for logit in row] + [0.0]
        reaches_low = math.prod(f[: int(lo)])
        passes_high = math.prod(f[int(lo) : int(hi) + 1])
        expected.append(-math.log(reaches_low * (1 - passes_high)))
    np.testing.assert_allclose(CORN([0, 116]).loss(logits, low, high), expected)


def test_the_distribution_is_the_product_of_the_conditional_probabilities():
    logits = outputs(50)
    older = logits.sigmoid().cumprod(dim=1)
    distribution = CORN([0, 116]).distribution(logits)
    torch.testing.assert_close(distribution, torch.cat([1 - older[:, :1], -older.diff(dim=1), older[:, -1:]], dim=1))
    torch.testing.assert_close(CORN([0, 116], "expectation").predict(logits), older.sum(dim=1))
    count = (older > 0.5).sum(dim=1)
    assert (CORN([0, 116]).predict(logits) - count).abs().max() <= 0.5


def test_an_untrained_head_gives_all_years_the_same_probability():
    head = CORN([21, 60])
    output = head(torch.zeros(2, 8))
    torch.testing.assert_close(head.distribution(output), torch.full((2, 40), 1 / 40))


def test_gradients_equal_numerical_gradients():
    low, high = intervals(5)
    head = CORN([0, 116])
    assert torch.autograd.gradcheck(lambda x: head.loss(x, low, high), outputs(5).requires_grad_())
