import math

import numpy as np
import pytest
import torch

from agegender.errors import AgeGenderError
from agegender.heads.coral import CORAL


def head_on(features, bias=None):
    head = CORAL([0, 116]).double()
    head(features)
    if bias is not None:
        head.bias.data = bias
    return head


def features(n=40):
    return torch.randn(n, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_loss_equals_a_reference():
    """The paper: logits z + b_k and the cross-entropy summed over thresholds. Thresholds inside an interval are masked."""
    x = features()
    head = head_on(x)
    ends = torch.randint(0, 117, (40, 2), generator=torch.Generator().manual_seed(0)).double().sort(dim=1).values
    ends[:20, 1] = ends[:20, 0]
    loss = head.loss(head(x), ends[:, 0], ends[:, 1])
    w, b = head.layer.weight.detach().numpy()[0], head.bias.detach().numpy()
    expected = []
    for row, (low, high) in zip(x.numpy(), ends.tolist(), strict=True):
        total = 0.0
        for year in range(116):
            older = 1 / (1 + math.exp(-(sum(w * row) + b[year])))
            total -= math.log(older) if low > year else math.log(1 - older) if high <= year else 0.0
        expected.append(total)
    np.testing.assert_allclose(loss.detach(), expected)


def test_an_untrained_head_predicts_a_logistic_distribution_around_the_center():
    head = CORAL([0, 116], center=40.0, scale=5.0)
    older = head(torch.zeros(1, 4)).sigmoid()[0]
    for year in (0, 30, 39, 40, 115):
        assert older[year].item() == pytest.approx(1 / (1 + math.exp((year + 0.5 - 40) / 5)), rel=1e-5)
    assert head.predict(head(torch.zeros(1, 4))).item() == pytest.approx(40, abs=0.01)
    with pytest.raises(AgeGenderError, match=r"head\.scale must be above 0; got 0"):
        CORAL([0, 116], scale=0.0)


def test_probabilities_never_increase_with_the_year_for_any_bias():
    x = 5 * features(200)
    for seed in range(5):
        head = head_on(x, 3 * torch.randn(116, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))
        older = head(x).sigmoid()
        assert (older.diff(dim=1) <= 0).all()
        count = (older > 0.5).sum(dim=1)
        assert (head.predict(head(x)) - count).abs().max() <= 0.5


def test_a_larger_score_raises_every_logit_and_the_age():
    x = features()
    head = head_on(x)
    order = (x @ head.layer.weight.T).flatten().argsort()
    assert (head(x)[order].diff(dim=0) >= 0).all()
    assert (head.predict(head(x))[order].diff() >= 0).all()


def test_thresholds_masked_by_all_labels_stay_between_their_neighbours():
    """With these intervals only "older than 2" and "older than 9" are trained; the thresholds between are sorted."""
    torch.manual_seed(0)
    head = CORAL([0, 20])
    x = torch.tensor([[-1.0], [0.0], [1.0]])
    low, high = torch.tensor([0.0, 3.0, 10.0]), torch.tensor([2.0, 9.0, 20.0])
    head(x)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        head.loss(head(x), low, high).sum().backward()
        optimizer.step()
    older = head(x).sigmoid()
    assert (older.diff(dim=1) <= 0).all()
    assert older[1, 2] > 0.9 and older[1, 9] < 0.1
    ages = head.predict(head(x))
    assert (ages.floor() >= low - 1).all() and (ages <= high + 1).all()
