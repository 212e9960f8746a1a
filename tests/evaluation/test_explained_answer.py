"""The number that explanations are about, for each kind of head."""

import pytest
import torch
from torch import nn

from agegender.evaluation.explained_answer import explained_answer, explains_years
from agegender.heads.age_bins import AgeBins
from agegender.heads.dldl import DLDL
from agegender.heads.gender import GenderBCE, GenderCrossEntropy
from agegender.heads.regression import Regression
from agegender.models.custom_cnn import CustomCNN
from agegender.models.network import Network

AGES = (0, 116)


def network(head: nn.Module, task: str = "age") -> Network:
    torch.manual_seed(0)
    return Network(CustomCNN((4,)), "avg", [], {}, {task: head}, 16).eval()


@pytest.mark.parametrize("head", [Regression(AGES), DLDL(AGES)])
@pytest.mark.parametrize("gradient", [True, False])
def test_years_of_regressions_and_distributions_with_and_without_gradients(head: nn.Module, gradient: bool) -> None:
    net = network(head)
    with torch.set_grad_enabled(gradient):
        output = net(torch.full((2, 3, 16, 16), 99, dtype=torch.uint8))["age"]
        assert explains_years(net, output)
        torch.testing.assert_close(explained_answer(net, "age", output), net.heads["age"].predict(output))


def test_the_logit_of_the_class_that_other_images_choose() -> None:
    net = network(AgeBins(AGES, edges=[0, 26, 51], readout="bin"))
    output, others = torch.tensor([[1.0, 2.0, 3.0], [6.0, 5.0, 4.0]]), torch.tensor([[9.0, 0.0, 0.0], [0.0, 9.0, 0.0]])
    assert not explains_years(net, output)
    assert explained_answer(net, "age", output).tolist() == [3.0, 6.0]
    assert explained_answer(net, "age", output, others).tolist() == [1.0, 5.0]


def test_the_logit_of_the_estimated_gender() -> None:
    two, one = network(GenderCrossEntropy(), "gender"), network(GenderBCE(), "gender")
    assert explained_answer(two, "gender", torch.tensor([[1.0, 3.0], [4.0, 2.0]])).tolist() == [3.0, 4.0]
    assert explained_answer(one, "gender", torch.tensor([[-2.0], [3.0]])).tolist() == [2.0, 3.0]
    assert explained_answer(one, "gender", torch.tensor([[-2.0]]), torch.tensor([[1.0]])).tolist() == [-2.0]
