"""Blends of two faces, and their loss."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from agegender.configuration.command import compose
from agegender.errors import AgeGenderError
from agegender.training.assemble import assemble_module
from agegender.training.mixup import Mixup

NAN = float("nan")


def faces(count: int = 5) -> dict[str, torch.Tensor]:
    image = torch.randint(0, 256, (count, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    return {
        "image": image.contiguous(memory_format=torch.channels_last),
        "age_low": torch.tensor([20.0, NAN, 40.0, 3.0, 60.0]),
        "age_high": torch.tensor([20.0, NAN, 49.0, 9.0, 60.0]),
        "gender": torch.tensor([0, 1, -1, 1, 0]),
        "index": torch.arange(count),
    }


def test_a_blend_has_the_shares_of_its_faces_and_the_labels_of_both() -> None:
    torch.manual_seed(0)
    batch = faces()
    blended, partner, share = Mixup(1.0)(batch)
    partners = [int(torch.nonzero(batch["gender"] == label)[0]) if label == -1 else None for label in partner["gender"]]
    assert partners.count(2) == 1 and 0.5 <= share <= 1  # the face without a gender is the partner of one face
    row = partners.index(2)
    expected = (share * batch["image"][row].double() + (1 - share) * batch["image"][2].double()).round()
    torch.testing.assert_close(blended["image"][row].double(), expected, atol=1, rtol=0)
    assert blended["image"].dtype == torch.uint8 and blended["image"].is_contiguous(memory_format=torch.channels_last)
    assert partner["age_low"][row] == 40 and partner["age_high"][row] == 49
    for name in ("age_low", "age_high", "gender", "index"):
        torch.testing.assert_close(blended[name], batch[name], equal_nan=True)


@pytest.mark.parametrize("alpha", [1.0, 0.2, 100.0])
def test_shares_are_the_larger_ones_of_a_beta_distribution(alpha: float) -> None:
    torch.manual_seed(0)
    mixup, batch = Mixup(alpha), {"features": torch.zeros(1, 2), "index": torch.zeros(1, dtype=torch.long)}
    batch |= {"age_low": torch.zeros(1), "age_high": torch.zeros(1), "gender": torch.zeros(1)}
    shares = torch.tensor([mixup(batch)[2] for _ in range(3000)])
    drawn = np.random.default_rng(0).beta(alpha, alpha, 200_000)
    assert np.quantile(shares, [0.25, 0.5, 0.75]) == pytest.approx(
        np.quantile(np.maximum(drawn, 1 - drawn), [0.25, 0.5, 0.75]), abs=0.02
    )


def test_the_loss_of_dldl_is_that_of_the_blended_distributions() -> None:
    config = compose(["image_size=16", "backbone.widths=[4,8]", "tasks=[age]", "head.expectation_weight=0", "mixup=1.0"])
    model = assemble_module(config, {"none": "no licence"}, {}).eval()
    model.trainer = SimpleNamespace(log_every_n_steps=0)  # type: ignore[assignment]
    batch = faces()
    batch |= {"age_low": torch.tensor([20.0, 30, 40, 3, 60]), "age_high": torch.tensor([20.0, 30, 40, 3, 60])}
    torch.manual_seed(3)
    loss = model.training_step(batch, 0).detach()
    torch.manual_seed(3)
    blended, partner, share = Mixup(1.0)(batch)
    logits = model.network(blended["image"])["age"].log_softmax(1)
    years = torch.arange(logits.shape[1])

    def target(age: torch.Tensor) -> torch.Tensor:
        weight = torch.exp(-((years - age[:, None]) ** 2) / (2 * 2.0**2))
        return weight / weight.sum(1, keepdim=True)

    own, other = target(batch["age_low"]), target(partner["age_low"])
    entropy = share * torch.special.entr(own).sum(1) + (1 - share) * torch.special.entr(other).sum(1)
    expected = -((share * own + (1 - share) * other) * logits).sum(1) - entropy  # the divergence leaves out the entropy
    assert float(loss) == pytest.approx(float(expected.detach().mean()), rel=1e-4)


@pytest.mark.parametrize("alpha", [0.0, -1.0, NAN, float("inf")])
def test_alpha_must_be_above_zero(alpha: float) -> None:
    with pytest.raises(AgeGenderError, match=r"mixup=.*finite and above 0, or null"):
        Mixup(alpha)
