import numpy as np
import pytest
import torch
from torch.nn import functional as F

from agegender.errors import AgeGenderError
from agegender.heads.regression import Regression

TORCH_LOSS = {"l1": F.l1_loss, "mse": F.mse_loss, "huber": lambda a, b, reduction: F.huber_loss(a, b, reduction, 1.5)}


def reference_loss(output, low, high, loss, unit, delta):
    results = []
    for years, lo, hi in zip(output, low, high, strict=True):
        off = (max(lo - years, 0) if years < lo else max(years - hi, 0)) / unit
        if loss == "l1":
            results.append(off)
        elif loss == "mse":
            results.append(off**2)
        else:
            results.append(0.5 * off**2 if off <= delta else delta * (off - 0.5 * delta))
    return results


@pytest.fixture
def ages():
    generator = torch.Generator().manual_seed(0)
    low = torch.randint(0, 100, (300,), generator=generator).double()
    width = torch.randint(0, 3, (300,), generator=generator) * torch.randint(0, 9, (300,), generator=generator)
    return 160 * torch.rand(300, 1, generator=generator, dtype=torch.float64) - 20, low, low + width


@pytest.mark.parametrize("target", ["years", "standardised"])
@pytest.mark.parametrize("loss", ["l1", "mse", "huber"])
def test_loss_of_an_exact_age_equals_the_loss_of_torch(loss, target, ages):
    output, age, _ = ages
    head = Regression([0, 116], loss, target, center=40, scale=20, delta=1.5)
    pred, label = output.squeeze(1), age
    if target == "standardised":
        pred, label = (pred - 40) / 20, (label - 40) / 20
    torch.testing.assert_close(head.loss(output, age, age), TORCH_LOSS[loss](pred, label, reduction="none"))


@pytest.mark.parametrize("target, unit", [("years", 1.0), ("standardised", 20.0)])
@pytest.mark.parametrize("loss", ["l1", "mse", "huber"])
def test_loss_of_an_interval_equals_a_reference(loss, target, unit, ages):
    output, low, high = ages
    head = Regression([0, 116], loss, target, scale=20, delta=1.5)
    expected = reference_loss(output[:, 0].tolist(), low.tolist(), high.tolist(), loss, unit, 1.5)
    np.testing.assert_allclose(head.loss(output, low, high), expected, rtol=1e-12)


@pytest.mark.parametrize("loss", ["l1", "mse", "huber"])
def test_gradients_equal_numerical_gradients(loss, ages):
    output, low, high = (column[:30] for column in ages)
    head = Regression([0, 116], loss, "standardised", delta=0.7)
    assert torch.autograd.gradcheck(lambda x: head.loss(x, low, high), output.clone().requires_grad_())


def test_the_gradient_is_zero_inside_the_interval():
    output = torch.tensor([[3.0], [5.0], [9.0]], requires_grad=True)
    Regression([0, 116]).loss(output, torch.full((3,), 3.0), torch.full((3,), 9.0)).sum().backward()
    assert output.grad.abs().sum() == 0


def test_the_output_is_in_years_around_the_center():
    features = torch.randn(64, 8)
    years, standardised = (Regression([0, 116], target=target, center=30) for target in ("years", "standardised"))
    plain = Regression([0, 116], target="years", center=0)
    for head in (years, standardised, plain):
        head(features)
        head.load_state_dict({"layer.weight": torch.ones(1, 8), "layer.bias": torch.zeros(1)})
    linear = features.sum(dim=1, keepdim=True)
    torch.testing.assert_close(plain(features), linear)
    torch.testing.assert_close(years(features), 30 + linear)
    torch.testing.assert_close(standardised(features), 30 + 20 * linear)


def test_the_prediction_is_clamped_but_the_loss_is_not():
    head = Regression([20, 60], target="years")
    output = torch.tensor([[-5.0], [33.25], [80.0]], requires_grad=True)
    assert head.predict(output).tolist() == [20, 33.25, 60]
    head.loss(output, torch.full((3,), 20.0), torch.full((3,), 60.0)).sum().backward()
    assert output.grad[:, 0].tolist() == [-1, 0, 1]


@pytest.mark.parametrize("wrong", [{"scale": 0.0}, {"scale": -1.0}, {"delta": 0.0}])
def test_scale_and_delta_must_be_positive(wrong):
    with pytest.raises(AgeGenderError, match=r"head\.scale and head\.delta must be above 0"):
        Regression([0, 116], **wrong)


def test_relu_applies_to_the_output_in_years():
    torch.manual_seed(0)
    head = Regression([0, 116], target="years", center=33, relu=True)
    features = torch.randn(50, 4) * 100
    years = head(features)
    expected = (33 + features.double() @ head.layer.weight.double().T + head.layer.bias.double()).clamp(min=0)
    torch.testing.assert_close(years.double(), expected, rtol=1e-4, atol=1e-3)
    assert (years == 0).any() and (years > 0).any()
    assert head(torch.zeros(1, 4)).item() == pytest.approx(33 + head.layer.bias.item())
