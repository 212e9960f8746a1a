import numpy as np
import pytest
import torch

from agegender.heads.intervals import distance, expectation, log_probability_inside, median


def reference_median(probabilities: np.ndarray, first_age: int) -> float:
    """Age at which the piecewise linear cumulative distribution (each year spread over +-0.5) is 0.5."""
    knots = first_age - 0.5 + np.arange(len(probabilities) + 1)
    return float(np.interp(0.5, np.concatenate([[0.0], probabilities.cumsum()]), knots))


def test_distance_is_zero_inside_an_interval_and_the_absolute_error_of_an_exact_age():
    age = torch.tensor([2.0, 3.0, 5.0, 9.0, 11.5, 30.0, 27.0])
    low = torch.tensor([3.0, 3.0, 3.0, 3.0, 3.0, 28.0, 28.0])
    high = torch.tensor([9.0, 9.0, 9.0, 9.0, 9.0, 28.0, 28.0])
    assert distance(age, low, high).tolist() == [1, 0, 0, 0, 2.5, 2, 1]


@pytest.mark.parametrize("first_age", [0, 21])
@pytest.mark.parametrize("sharpness", [0.1, 1.0, 5.0])
def test_median_equals_a_reference(first_age, sharpness):
    logits = sharpness * torch.randn(200, 60, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    probabilities = logits.softmax(dim=1)
    expected = [reference_median(row, first_age) for row in probabilities.numpy()]
    np.testing.assert_allclose(median(probabilities, first_age), expected, rtol=1e-9)


def test_median_minimises_the_expected_absolute_error_within_half_a_year():
    probabilities = torch.randn(200, 60, generator=torch.Generator().manual_seed(0), dtype=torch.float64).softmax(dim=1)
    ages = np.arange(60)
    costs = probabilities.numpy() @ np.abs(ages[:, None] - ages[None, :])
    assert np.abs(median(probabilities, 0).numpy() - costs.argmin(axis=1)).max() <= 0.5


@pytest.mark.parametrize("year", [0, 1, 30, 59])
def test_median_and_expectation_of_a_certain_year_are_that_year(year):
    certain = torch.zeros(1, 60)
    certain[0, year] = 1
    assert median(certain, 10).item() == 10 + year
    assert expectation(certain, torch.arange(10.0, 70.0)).item() == 10 + year


def test_median_of_a_symmetric_distribution_is_its_centre():
    ages = torch.arange(0.0, 117.0)
    for centre in (20.0, 24.5, 60.0):
        symmetric = (-((ages - centre) ** 2) / 18).softmax(dim=0)[None]
        assert median(symmetric, 0).item() == pytest.approx(centre, abs=1e-4)


def test_probability_inside_an_interval_rounds_its_ends_down():
    p = torch.tensor([[0.1, 0.2, 0.3, 0.4]]).expand(5, 4)
    low, high = torch.tensor([21.0, 21.9, 22.0, 24.0, 21.0]), torch.tensor([21.0, 22.5, 23.99, 24.0, 24.0])
    inside = log_probability_inside(p.log(), torch.arange(21.0, 25.0), low, high).exp()
    torch.testing.assert_close(inside, torch.tensor([0.1, 0.3, 0.5, 0.4, 1.0]))
