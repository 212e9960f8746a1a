import pytest
import torch

from agegender.heads.distribution import DistributionHead


class Softmax(DistributionHead):
    """The smallest concrete subclass; its loss is not used."""

    def interval_loss(self, output, low, high):
        return output.sum(dim=1)


class Thresholds(Softmax):
    """One output per threshold between two years; the caller gives the probabilities of the years."""

    def __init__(self):
        super().__init__([20, 22], "expectation", thresholds=True)

    def log_probabilities(self, output):
        return torch.tensor([[0.5, 0.25, 0.25]]).log().expand(len(output), 3)


def test_one_output_per_year_or_one_less_with_thresholds():
    assert Softmax([0, 116], "median").outputs == 117
    assert Thresholds().outputs == 2


def test_the_distribution_is_the_softmax_over_the_years():
    logits = torch.tensor([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]]).log() + 7  # softmax ignores the constant
    head = Softmax([20, 22], "expectation")
    torch.testing.assert_close(head.distribution(logits), torch.tensor([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]]))


def test_readout_chooses_between_expectation_and_median():
    logits = torch.tensor([[0.7, 0.2, 0.1]]).log()
    assert Softmax([20, 22], "expectation").predict(logits).item() == pytest.approx(0.7 * 20 + 0.2 * 21 + 0.1 * 22)
    assert Softmax([20, 22], "median").predict(logits).item() == pytest.approx(19.5 + 0.5 / 0.7)


def test_a_subclass_that_replaces_log_probabilities_changes_distribution_and_prediction():
    output = torch.zeros(4, 2)
    torch.testing.assert_close(Thresholds().distribution(output), torch.tensor([[0.5, 0.25, 0.25]]).expand(4, 3))
    torch.testing.assert_close(Thresholds().predict(output), torch.full((4,), 20.75))


def test_the_ages_are_not_in_the_state_dict():
    assert not any("ages" in name for name in Softmax([0, 116], "median").state_dict())


def test_outputs_of_another_width_raise_an_error():
    with pytest.raises(ValueError, match=r"Softmax expects outputs \[B, 3\]"):
        Softmax([20, 22], "median").predict(torch.zeros(2, 4))
