import numpy as np
import pytest
import torch

from agegender.heads.gender import GenderBCE, GenderCrossEntropy


@pytest.fixture
def gender():
    return torch.randint(0, 2, (50,), generator=torch.Generator().manual_seed(0))


def test_cross_entropy_equals_a_reference(gender):
    logits = torch.randn(50, 2, dtype=torch.float64)
    e = np.exp(logits.numpy())
    p = e / e.sum(axis=1, keepdims=True)
    head = GenderCrossEntropy()
    np.testing.assert_allclose(head.loss(logits, gender), -np.log(p[np.arange(50), gender.numpy()]))
    np.testing.assert_allclose(head.probability_female(logits), p[:, 1])


def test_bce_equals_a_reference_and_a_positive_logit_is_female(gender):
    logits = torch.randn(50, 1, dtype=torch.float64)
    p = 1 / (1 + np.exp(-logits[:, 0].numpy()))
    female = gender.numpy()
    head = GenderBCE()
    np.testing.assert_allclose(head.loss(logits, gender), -(female * np.log(p) + (1 - female) * np.log(1 - p)))
    np.testing.assert_allclose(head.probability_female(logits), p)
    assert head.probability_female(torch.tensor([[9.0]])) > 0.99


@pytest.mark.parametrize("head", [GenderCrossEntropy(), GenderBCE()])
def test_gradients_equal_numerical_gradients(head, gender):
    logits = torch.randn(50, head.outputs, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: head.loss(x, gender), logits)


@pytest.mark.parametrize("head", [GenderCrossEntropy(), GenderBCE()])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_extreme_logits_give_finite_losses_and_gradients(head, dtype):
    largest = torch.finfo(dtype).max if dtype == torch.float16 else 1e30
    logits = torch.tensor([[largest, -largest], [-largest, largest]])[:, : head.outputs].to(dtype).requires_grad_()
    loss = head.loss(logits, torch.tensor([0, 0]))
    loss.sum().backward()
    assert loss.dtype == torch.float32 and loss.isfinite().all() and logits.grad.isfinite().all()
    probability = head.probability_female(logits)
    assert ((probability >= 0) & (probability <= 1)).all()


@pytest.mark.parametrize("head", [GenderCrossEntropy(), GenderBCE()])
def test_wrong_shapes_raise_an_error_and_empty_batches_do_not(head):
    with pytest.raises(ValueError, match=rf"{type(head).__name__} expects outputs \[B, {head.outputs}\]"):
        head.loss(torch.zeros(3, 7), torch.zeros(3))
    with pytest.raises(ValueError, match=r"labels \[2\]"):
        head.loss(torch.zeros(3, head.outputs), torch.zeros(2))
    assert head.loss(torch.zeros(0, head.outputs), torch.zeros(0, dtype=torch.long)).shape == (0,)
