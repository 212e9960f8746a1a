import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from agegender.errors import AgeGenderError
from agegender.heads.age_bins import AgeBins
from agegender.heads.dldl import DLDL

DECADES = list(range(0, 111, 10))
FAIRFACE = [0, 3, 10, 20, 30, 40, 50, 60, 70]
FOUR = [0, 26, 51, 76]
YEARS = list(range(117))


def years_of_bins(edges, last_age):
    return [list(range(a, b)) for a, b in zip(edges, [*edges[1:], last_age + 1], strict=True)]


def reference_loss(logits, low, high, edges, last_age):
    """Reference, year by year: minus the log of the probability inside the interval, plus the log of the largest share."""
    results = []
    for row, lo, hi in zip(logits, low, high, strict=True):
        p = np.exp(row - row.max())
        p = p / p.sum()
        inside, largest = 0.0, 0.0
        for years, p_bin in zip(years_of_bins(edges, last_age), p, strict=True):
            share = sum(lo <= year <= hi for year in years) / len(years)
            inside += p_bin * share
            largest = max(largest, share)
        results.append(-math.log(inside) + math.log(largest))
    return results


def outputs(n, bins, size=3.0, seed=0):
    return size * torch.randn(n, bins, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def intervals(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    ends = torch.randint(0, 117, (n, 2), generator=generator).double().sort(dim=1).values
    return ends[:, 0], ends[:, 1]


@pytest.mark.parametrize("edges", [DECADES, FAIRFACE, FOUR, YEARS, [0]])
def test_loss_of_an_exact_age_is_the_cross_entropy(edges):
    ages = torch.arange(117.0)
    logits = outputs(117, len(edges))
    classes = torch.tensor([max(i for i, edge in enumerate(edges) if edge <= age) for age in range(117)])
    loss = AgeBins([0, 116], edges).loss(logits, ages, ages)
    torch.testing.assert_close(loss, F.cross_entropy(logits, classes, reduction="none"))


@pytest.mark.parametrize("edges", [DECADES, FAIRFACE, FOUR, YEARS, [0]])
def test_loss_of_an_interval_equals_a_reference(edges):
    logits, (low, high) = outputs(300, len(edges)), intervals(300)
    loss = AgeBins([0, 116], edges).loss(logits, low, high)
    expected = reference_loss(logits.numpy(), low.tolist(), high.tolist(), edges, 116)
    np.testing.assert_allclose(loss, expected, rtol=1e-9, atol=1e-12)


def test_loss_is_minus_log_of_the_probability_inside_up_to_a_constant_of_the_label():
    head, (low, high) = AgeBins([0, 116], FAIRFACE), intervals(100)
    one, other = outputs(100, 9, seed=1), outputs(100, 9, seed=2)
    years = torch.arange(117)
    inside = (years >= low[:, None]) & (years <= high[:, None])

    def minus_log_inside(output):
        return -(head.distribution(output) * inside).sum(dim=1).log()

    torch.testing.assert_close(
        head.loss(one, low, high) - head.loss(other, low, high), minus_log_inside(one) - minus_log_inside(other)
    )


def test_loss_of_an_interval_of_whole_bins_uses_the_sum_of_their_probabilities():
    logits = outputs(1, 9)
    p = logits.softmax(dim=1)[0]
    head = AgeBins([0, 116], FAIRFACE)
    low, high = torch.tensor([3.0]), torch.tensor([19.0])
    assert head.loss(logits, low, high).item() == pytest.approx(-math.log(p[1] + p[2]))
    assert head.loss(logits, torch.tensor([70.0]), torch.tensor([116.0])).item() == pytest.approx(-math.log(p[8]))
    assert head.loss(logits, torch.tensor([0.0]), torch.tensor([116.0])).item() == pytest.approx(0, abs=1e-12)


def test_labels_with_a_fraction_of_a_year_are_rounded_down():
    head, logits = AgeBins([0, 116], DECADES), outputs(1, 12)
    assert head.loss(logits, torch.tensor([29.9]), torch.tensor([29.9])) == head.loss(
        logits, torch.tensor([29.0]), torch.tensor([29.0])
    )
    assert head.loss(logits, torch.tensor([19.5]), torch.tensor([30.5])) == head.loss(
        logits, torch.tensor([19.0]), torch.tensor([30.0])
    )


def test_gradients_equal_numerical_gradients():
    low, high = intervals(20)
    head = AgeBins([0, 116], DECADES)
    assert torch.autograd.gradcheck(lambda x: head.loss(x, low, high), outputs(20, 12).requires_grad_())


def test_readouts_and_distribution_equal_values_computed_by_hand():
    logits = torch.tensor([[0.2, 0.5, 0.3]]).log()
    edges, age_range = [0, 10, 30], [0, 39]  # centres 4.5, 19.5, 34.5
    assert AgeBins(age_range, edges, "bin").predict(logits).item() == pytest.approx(19.5)
    assert AgeBins(age_range, edges, "expectation").predict(logits).item() == pytest.approx(0.9 + 9.75 + 10.35)
    # 0.2 lies below 9.5 and 0.5 lies between 9.5 and 29.5: the cumulative probability is 0.5 after 0.3 / 0.5 of these 20 years
    assert AgeBins(age_range, edges, "median").predict(logits).item() == pytest.approx(9.5 + 12)
    distribution = AgeBins(age_range, edges).distribution(logits)
    expected = [0.02] * 10 + [0.025] * 20 + [0.03] * 10
    torch.testing.assert_close(distribution, torch.tensor([expected]))


@pytest.mark.parametrize("readout", ["bin", "expectation", "median"])
def test_a_certain_bin_predicts_its_centre(readout):
    head = AgeBins([0, 116], DECADES, readout)
    ages = head.predict(1000 * torch.eye(12))
    torch.testing.assert_close(ages, torch.tensor([4.5 + 10 * i for i in range(11)] + [113.0]))


def test_an_age_range_that_does_not_start_at_zero():
    head = AgeBins([21, 60], [21, 31, 41, 51])
    assert head.distribution(torch.zeros(1, 4)).shape == (1, 40)
    assert head.predict(torch.tensor([[0.0, 0, 0, 100]])).item() == pytest.approx(55.5)
    logits = outputs(1, 4)
    age = torch.tensor([60.0])
    torch.testing.assert_close(head.loss(logits, age, age), F.cross_entropy(logits, torch.tensor([3]), reduction="none"))


@pytest.mark.parametrize("edges", [[], [1, 10], [0, 10, 10], [0, 20, 10], [0, 117], [0, 2.5], [-10, 0, 10]])
def test_edges_must_increase_from_the_first_age(edges):
    with pytest.raises(AgeGenderError, match=r"head\.edges must be increasing whole years that start at the first age"):
        AgeBins([0, 116], edges)


def test_classes_are_the_edges_and_empty_for_other_heads():
    assert AgeBins([0, 116], [0, 26, 51, 76]).classes == (0, 26, 51, 76)
    assert DLDL([0, 116]).classes == ()
