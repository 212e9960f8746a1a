"""Occlusion against squares covered in a loop, on any backbone, and without gradients."""

import pytest
import timm
import torch

from agegender.evaluation.explained_answer import explained_answer
from agegender.evaluation.occlusion import occlusion
from agegender.heads.age_bins import AgeBins
from agegender.heads.gender import GenderCrossEntropy
from agegender.heads.regression import Regression
from agegender.models.backbones import TimmBackbone
from agegender.models.custom_cnn import CustomCNN
from agegender.models.network import Network

pytest.importorskip("captum", reason="captum is not installed")


def network() -> Network:
    torch.manual_seed(3)
    return Network(
        CustomCNN((6, 12)), "flatten", [], {}, {"age": Regression((0, 116)), "gender": GenderCrossEntropy()}, 16
    ).eval()


def images(count: int = 2, side: int = 16) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("task", ["age", "gender"])
def test_the_map_is_the_mean_change_over_the_squares_that_cover_a_place(task: str) -> None:
    net, some = network(), images()
    colour = some.float().mean(dim=(2, 3), keepdim=True).round().to(torch.uint8)
    with torch.no_grad():
        outputs = net(some)[task]
        before = explained_answer(net, task, outputs)
        change, covers = torch.zeros(2, 16, 16), torch.zeros(16, 16)
        for top in range(0, 13, 2):
            for left in range(0, 13, 2):
                covered = some.clone()
                covered[..., top : top + 4, left : left + 4] = colour
                after = explained_answer(net, task, net(covered)[task], outputs)
                change[:, top : top + 4, left : left + 4] += (before - after)[:, None, None]
                covers[top : top + 4, left : left + 4] += 1
    change = change / covers
    change = change.abs() if task == "age" else change.relu()
    expected = change / change.amax(dim=(1, 2), keepdim=True)
    torch.testing.assert_close(occlusion(net, some, task), expected, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(occlusion(net, some, task, at_once=1), expected, rtol=1e-3, atol=1e-4)


def test_the_place_that_decides_is_found() -> None:
    net = network()
    with torch.no_grad():
        weights = net.heads["age"].layer.weight
        weights.zero_()
        weights.view(12, 4, 4)[:, 0, 3] = 1.0  # of the feature map, only the upper right corner reaches the age
    found = occlusion(net, images(), "age")
    assert (found[:, :4, 12:].mean(dim=(1, 2)) > 3 * found[:, 8:, :8].mean(dim=(1, 2))).all()


def test_heads_with_classes_and_transformers_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    real = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: real("test_vit", num_classes=0, img_size=32))
    torch.manual_seed(0)
    head = AgeBins((0, 116), edges=[0, 26, 51, 76], readout="bin")
    net = Network(TimmBackbone("vit_base_patch16_224", 32), "avg", [], {}, {"age": head}, 32).eval()
    found = occlusion(net, images(side=32), "age")
    assert found.shape == (2, 32, 32) and found.amin() >= 0 and found.amax() <= 1 and found.std() > 0
