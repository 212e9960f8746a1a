import pytest
import torch

from agegender.errors import AgeGenderError
from agegender.heads.age_bins import AgeBins
from agegender.heads.base import AgeHead, Head, whole_years
from agegender.heads.coral import CORAL
from agegender.heads.corn import CORN
from agegender.heads.cross_entropy import CrossEntropy
from agegender.heads.dldl import DLDL
from agegender.heads.gender import GenderBCE, GenderCrossEntropy
from agegender.heads.laplace import Laplace
from agegender.heads.mean_variance import MeanVariance
from agegender.heads.or_cnn import ORCNN
from agegender.heads.regression import Regression
from agegender.heads.sord import SORD

DECADES = list(range(0, 111, 10))
AGE_HEADS = {
    "regression": lambda: Regression([0, 116], target="years"),
    "standardised": lambda: Regression([0, 116], "huber", "standardised"),
    "bins": lambda: AgeBins([0, 116], DECADES),
    "bins_median": lambda: AgeBins([0, 116], DECADES, readout="median"),
    "dldl": lambda: DLDL([0, 116]),
    "dldl_median": lambda: DLDL([0, 116], readout="median"),
    "cross_entropy": lambda: CrossEntropy([0, 116]),
    "mean_variance": lambda: MeanVariance([0, 116]),
    "sord": lambda: SORD([0, 116]),
    "sord_squared": lambda: SORD([0, 116], "squared", readout="median"),
    "or_cnn": lambda: ORCNN([0, 116]),
    "or_cnn_expectation": lambda: ORCNN([0, 116], "expectation"),
    "coral": lambda: CORAL([0, 116]),
    "corn": lambda: CORN([0, 116]),
    "corn_expectation": lambda: CORN([0, 116], "expectation"),
    "laplace": lambda: Laplace([0, 116]),
}
LOW = torch.tensor([30.0, 3.0, 70.0, 0.0, 116.0])
HIGH = torch.tensor([30.0, 9.0, 116.0, 0.0, 116.0])


@pytest.fixture(params=AGE_HEADS)
def head(request) -> AgeHead:
    return AGE_HEADS[request.param]()


def test_the_first_forward_pass_sets_the_number_of_features():
    head = Head(outputs=3)
    assert head(torch.randn(4, 17)).shape == (4, 3)
    assert head.layer.in_features == 17
    with pytest.raises(RuntimeError):
        head(torch.randn(4, 18))


def test_training_on_exact_ages_and_intervals_lowers_the_loss(head):
    torch.manual_seed(0)
    features = torch.randn(5, 16)
    head(features)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.1)
    losses = []
    for _ in range(200):
        loss = head.loss(head(features), LOW, HIGH).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("size", [0.0, 1e2, 1e4, 1e30])
def test_extreme_outputs_give_finite_losses_gradients_and_predictions(head, dtype, size):
    if size > torch.finfo(dtype).max:
        size = torch.finfo(dtype).max
    sign = torch.where(torch.rand(5, head.outputs, generator=torch.Generator().manual_seed(1)) < 0.5, -1.0, 1.0)
    output = (size * sign).to(dtype).requires_grad_()
    loss = head.loss(output, LOW, HIGH)
    assert loss.dtype == torch.float32 and loss.shape == (5,)
    assert loss.isfinite().all() and (loss >= 0).all()
    loss.sum().backward()
    assert output.grad.isfinite().all()
    ages = head.predict(output)
    assert ages.dtype == torch.float32 and ages.shape == (5,)
    assert ((ages >= 0) & (ages <= 116)).all()


def test_labels_outside_the_age_range_are_clamped(head):
    output = torch.randn(2, head.outputs)
    beyond = head.loss(output, torch.tensor([117.0, 100.0]), torch.tensor([130.0, 130.0]))
    torch.testing.assert_close(beyond, head.loss(output, torch.tensor([116.0, 100.0]), torch.tensor([116.0, 116.0])))


def test_an_empty_batch_gives_an_empty_loss_with_a_gradient(head):
    output = torch.randn(0, head.outputs, requires_grad=True)
    loss = head.loss(output, torch.zeros(0), torch.zeros(0))
    assert loss.shape == (0,)
    loss.sum().backward()
    assert output.grad.shape == (0, head.outputs)
    assert head.predict(output).shape == (0,)


def test_float64_outputs_give_a_float64_loss(head):
    assert head.loss(torch.randn(5, head.outputs, dtype=torch.float64), LOW, HIGH).dtype == torch.float64


@pytest.mark.parametrize("make", [*AGE_HEADS.values(), GenderCrossEntropy, GenderBCE])
def test_heads_compute_in_float32_under_bfloat16_autocast(make):
    head = make()
    features = torch.randn(5, 64)
    expected = head(features)
    labels = (LOW, HIGH) if isinstance(head, AgeHead) else (torch.tensor([0, 1, 0, 1, 1]),)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = head(features)
        loss = head.loss(output, *labels)
        prediction = head.predict(output) if isinstance(head, AgeHead) else head.probability_female(output)
    assert output.dtype == loss.dtype == prediction.dtype == torch.float32
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(loss, head.loss(expected, *labels))


def test_distributions_sum_to_one_over_the_years_of_the_range(head):
    distribution = head.distribution(torch.randn(7, head.outputs))
    if isinstance(head, Regression):
        assert distribution is None
    else:
        assert distribution.shape == (7, 117)
        torch.testing.assert_close(distribution.sum(dim=1), torch.ones(7))


def test_the_state_dict_has_weights_and_biases_only(head):
    head(torch.randn(2, 8))
    bias = "bias" if isinstance(head, CORAL | CORN) else "layer.bias"
    assert set(head.state_dict()) == {"layer.weight", bias}


def test_a_head_and_its_prediction_can_be_exported_for_any_batch_size(head):
    class Age(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.head = head

        def forward(self, features):
            return head.predict(head(features))

    age, more = Age().eval(), torch.randn(7, 8)
    age(more)
    dynamic = ({0: torch.export.Dim("batch", min=1)},)
    exported = torch.export.export(age, (torch.randn(2, 8),), dynamic_shapes=dynamic)
    torch.testing.assert_close(exported.module()(more), age(more))


@pytest.mark.parametrize("output", [(4,), (4, 1, 1), (4, 99), (3, 0)])
def test_wrong_output_shapes_raise_an_error_with_the_expected_shape(head, output):
    with pytest.raises(ValueError, match=rf"{type(head).__name__} expects outputs \[B, {head.outputs}\] and labels \[B\]"):
        head.loss(torch.zeros(output), torch.zeros(output[0]), torch.zeros(output[0]))


def test_wrong_label_shapes_raise_an_error(head):
    for low, high in [((4, 1), (4, 1)), ((4,), (3,)), ((1,), (1,))]:
        with pytest.raises(ValueError, match=r"labels \[B\]; got outputs"):
            head.loss(torch.zeros(4, head.outputs), torch.zeros(low), torch.zeros(high))


@pytest.mark.parametrize("age_range", [[116, 0], [0, 0], [-1, 116], [0.5, 116], [0], [0, 50, 116], [0, float("inf")]])
def test_an_age_range_must_be_two_increasing_whole_years(age_range):
    with pytest.raises(AgeGenderError, match="age_range must be two increasing whole years"):
        whole_years(age_range)
    with pytest.raises(AgeGenderError, match="age_range"):
        Regression(age_range)


@pytest.mark.parametrize("name", ["bins", "cross_entropy", "mean_variance", "or_cnn", "coral", "corn"])
def test_labels_with_a_fraction_of_a_year_are_rounded_down(name):
    head = MeanVariance([0, 116], mean_weight=0.0) if name == "mean_variance" else AGE_HEADS[name]()
    torch.manual_seed(0)
    output = head(torch.randn(4, 8))
    low, high = torch.tensor([30.0, 3.0, 29.0, 0.0]), torch.tensor([30.0, 9.0, 39.0, 0.0])
    expected = head.loss(output, low, high)
    for fractions in ((0.7, 0.0), (0.0, 0.9), (0.3, 0.99)):
        torch.testing.assert_close(head.loss(output, low + fractions[0], (high + fractions[1]).maximum(low + 0.7)), expected)


@pytest.mark.parametrize(("name", "first"), [("or_cnn", 82), ("coral", 70)])
def test_initial_losses_equal_the_documented_values(name, first):
    torch.manual_seed(0)
    head = AGE_HEADS[name]()
    ages = torch.randint(1, 90, (2000,)).float()
    assert head.loss(head(torch.randn(2000, 256).relu()), ages, ages).mean().item() == pytest.approx(first, abs=4)
