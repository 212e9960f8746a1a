from pathlib import Path

import numpy as np
import pytest
import torch

from agegender.configuration.command import compose
from agegender.configuration.paths import CONF
from agegender.errors import AgeGenderError
from agegender.inference.bundle import OnnxModel
from agegender.inference.onnx_export import DeployedNetwork, differences, require_parity, to_onnx, to_program
from agegender.models.checkpoint import build_network, load_network

HEADS = sorted(path.stem for path in (CONF / "head").glob("*.yaml"))
SECTIONS = ("backbone", "pool", "trunk", "tower", "head", "gender_head", "image_size")
SMALL = ("backbone.widths=[4,8]",)
PIXELS = [*np.random.default_rng(0).integers(0, 256, (7, 16, 16, 3)).astype(np.uint8)]


def deployed(
    *overrides: str, tasks: tuple[str, ...] = ("age", "gender"), size: int = 16, backbone: tuple[str, ...] = SMALL
) -> DeployedNetwork:
    """A network with random weights, and running statistics of batch norm as after some training."""
    torch.manual_seed(0)
    config = compose(["data=toyfaces", f"image_size={size}", *backbone, *overrides])
    network = build_network({key: config[key] for key in SECTIONS}, tasks)
    network.train()
    with torch.no_grad():
        for _ in range(30):
            network(torch.randint(0, 256, (8, 3, size, size), dtype=torch.uint8))
    return DeployedNetwork(network.eval()).eval()


@pytest.mark.parametrize("head", HEADS)
def test_every_head_is_exported_and_equal_to_torch(head: str) -> None:
    network = deployed(f"head={head}")
    gaps = require_parity(network, OnnxModel(to_onnx(network)).outputs, PIXELS)
    assert set(gaps) == set(network.names) >= {"age", "probability_female"}


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_vit"])  # small networks of timm
def test_each_kind_of_backbone_is_exported_and_equal_to_torch(name: str) -> None:
    timm = ("backbone=resnet50", f"backbone.name={name}", "backbone.pretrained=false")
    network = deployed(backbone=timm, size=64)
    images = [*np.random.default_rng(0).integers(0, 256, (7, 64, 64, 3)).astype(np.uint8)]
    require_parity(network, OnnxModel(to_onnx(network)).outputs, images)


@pytest.mark.parametrize("task", ["age", "gender"])
def test_a_network_of_one_task(task: str) -> None:
    network = deployed(tasks=(task,))
    model = OnnxModel(to_onnx(network))
    require_parity(network, model.outputs, PIXELS)
    assert ("age" in network.names) == (task == "age")


def test_the_program_for_torch_has_a_dynamic_batch() -> None:
    network = deployed("head=dldl")
    program = to_program(network).module()

    def outputs(images: np.ndarray) -> dict[str, np.ndarray]:
        return {
            name: value.detach().numpy() for name, value in zip(network.names, program(torch.from_numpy(images)), strict=True)
        }

    require_parity(network, outputs, PIXELS)


def test_a_difference_is_refused_with_both_values() -> None:
    network = deployed()

    def off(images: np.ndarray) -> dict[str, np.ndarray]:
        return {name: values + (0.01 if name == "age" else 0) for name, values in network.outputs(images).items()}

    with pytest.raises(AgeGenderError, match=r"age is [\d.]+ instead of [\d.]+ in a batch of 1 \(allowed difference 0.001\)"):
        require_parity(network, off, PIXELS)


def test_nan_is_a_difference() -> None:
    network = deployed()
    with pytest.raises(AgeGenderError, match="age is nan instead of"):
        require_parity(network, lambda images: {n: v * np.nan for n, v in network.outputs(images).items()}, PIXELS)


def test_differences_finds_the_largest() -> None:
    gap, expected, found = differences({"age": np.array([1.0, 2.0, 3.0])}, {"age": np.array([1.1, 2.5, 3.0])})["age"]
    assert (gap, expected, found) == (0.5, 2.0, 2.5)


def test_a_run(trained_run: Path) -> None:
    network = DeployedNetwork(load_network(trained_run / "checkpoints" / "best.ckpt").network)
    assert network.names == ["age", "probability_female", "age_distribution"]
