import math

import numpy as np
import pytest
import torch
from torch import distributions

from agegender.errors import AgeGenderError
from agegender.heads.laplace import Laplace


def outputs(n):
    generator = torch.Generator().manual_seed(0)
    location = 58 + 40 * torch.randn(n, generator=generator, dtype=torch.float64)
    return torch.stack([location, 2 * torch.randn(n, generator=generator, dtype=torch.float64)], dim=1)


def intervals(n):
    ends = (116 * torch.rand(n, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).sort(dim=1).values
    return ends[:, 0], ends[:, 1]


def scale(output):
    return 0.5 * (116 / 0.5) ** output[:, 1].sigmoid()


def test_loss_of_an_exact_age_is_the_negative_log_likelihood():
    output, (age, _) = outputs(200), intervals(200)
    expected = -distributions.Laplace(output[:, 0], scale(output)).log_prob(age)
    torch.testing.assert_close(Laplace([0, 116]).loss(output, age, age), expected)


def test_loss_of_an_interval_equals_numerical_integration_of_the_density():
    output, (low, high) = outputs(200), intervals(200)
    expected = []
    for (m, _), b, lo, hi in zip(output.tolist(), scale(output).tolist(), low.tolist(), high.tolist(), strict=True):
        m_inside = min(max(m, lo), hi)  # the density has a kink at this point
        points = np.concatenate([np.linspace(lo, m_inside, 20001), np.linspace(m_inside, hi, 20001)])
        density = np.exp(-(np.abs(points - m) - abs(m - m_inside)) / b) / (2 * b)  # times exp(distance / b) against underflow
        expected.append(abs(m - m_inside) / b - math.log(np.trapezoid(density, points) / (hi - lo)))
    np.testing.assert_allclose(Laplace([0, 116]).loss(output, low, high), expected, rtol=1e-5)


def test_loss_of_a_short_interval_approaches_the_loss_of_an_exact_age():
    output, (age, _) = outputs(50), intervals(50)
    head = Laplace([0, 116])
    narrow = head.loss(output, (age - 1e-5).clamp_min(0), (age + 1e-5).clamp_max(116))
    torch.testing.assert_close(narrow, head.loss(output, age, age), atol=5e-5, rtol=0)


def test_a_location_inside_a_wide_interval_does_not_push_the_scale_to_its_minimum():
    """The gradient vanishes when the scale is much smaller than the interval; for an exact age it does not."""
    output = torch.tensor([[25.0, -3.0]], requires_grad=True)
    Laplace([0, 116]).loss(output, torch.tensor([0.0]), torch.tensor([50.0])).backward()
    assert output.grad.abs().max() < 1e-6
    exact = torch.tensor([[25.0, -3.0]], requires_grad=True)
    Laplace([0, 116]).loss(exact, torch.tensor([25.0]), torch.tensor([25.0])).backward()
    assert exact.grad[0, 1] > 0.1


def test_gradients_equal_numerical_gradients():
    output, (low, high) = outputs(30), intervals(30)
    high[:10] = low[:10]
    head = Laplace([0, 116])
    assert torch.autograd.gradcheck(lambda x: head.loss(x, low, high), output.requires_grad_())


def test_minimising_the_loss_gives_the_median_and_the_mean_absolute_deviation():
    ages = torch.tensor([20.0, 28.0, 30.0, 31.0, 61.0])
    output = torch.tensor([[50.0, 0.0]], requires_grad=True)
    head = Laplace([0, 116])
    optimizer = torch.optim.Adam([output], lr=0.5)
    for _ in range(400):
        optimizer.zero_grad()
        head.loss(output.expand(5, 2), ages, ages).mean().backward()
        optimizer.step()
    assert output[0, 0].item() == pytest.approx(30, abs=0.2)
    assert scale(output).item() == pytest.approx((10 + 2 + 0 + 1 + 31) / 5, rel=0.02)


def test_the_distribution_equals_differences_of_the_cumulative_distribution():
    output = outputs(40)
    up_to = distributions.Laplace(output[:, :1], scale(output)[:, None]).cdf(torch.arange(21.5, 60.0).double())
    expected = torch.cat([up_to[:, :1], up_to.diff(dim=1), 1 - up_to[:, -1:]], dim=1)
    head = Laplace([21, 60])
    head.log_scale_range = Laplace([0, 116]).log_scale_range
    torch.testing.assert_close(head.distribution(output), expected)


def test_the_location_is_in_years_and_the_prediction_is_clamped():
    head = Laplace([0, 116], center=40.0, scale=10.0)
    features = torch.randn(6, 3)
    output = head(features)
    raw = head.layer(features)
    torch.testing.assert_close(output, torch.stack([40 + 10 * raw[:, 0], raw[:, 1]], dim=1))
    torch.testing.assert_close(head.predict(torch.tensor([[-3.0, 0], [50.0, 0], [200.0, 0]])), torch.tensor([0.0, 50, 116]))


def test_a_negative_scale_raises_an_error():
    with pytest.raises(AgeGenderError, match=r"head\.scale must be above 0; got -1"):
        Laplace([0, 116], scale=-1.0)
