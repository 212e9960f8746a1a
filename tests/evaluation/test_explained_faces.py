"""Grad-CAM maps of some faces, and the grid that shows them with or without the faces."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agegender.data.assemble import assemble
from agegender.evaluation.explained_faces import ExplainedFaces, explain_faces
from agegender.evaluation.grad_cam import grad_cam
from agegender.evaluation.report.chart import pixels
from agegender.training.assemble import assemble_module

Configure = Callable[..., dict[str, Any]]


def explained(config: dict[str, Any], number: int) -> tuple[ExplainedFaces, Any, Any]:
    data = assemble(config)
    data.setup()
    torch.manual_seed(0)
    network = assemble_module(config, {}, data.crops).network.eval()
    found = explain_faces(network, data.table.frame, data.table.roots, data.crops, number)
    assert found is not None
    return found, network, data


def test_maps_are_those_of_grad_cam_on_faces_from_young_to_old(configure: Configure) -> None:
    found, network, data = explained(configure(), 4)
    assert found.images.shape == (4, 16, 16, 3) and set(found.maps) == {"age", "gender"}
    ages = [int(label.split(",")[0]) for label in found.labels]
    assert ages == sorted(ages) and ages[0] == data.table.frame["age_low"].min()
    images = torch.from_numpy(found.images.transpose(0, 3, 1, 2).copy())
    assert np.array_equal(found.maps["age"], grad_cam(network, images, "age").numpy())


def test_faces_are_seen_only_if_asked_for() -> None:
    rng = np.random.default_rng(0)
    maps = {"age": rng.random((2, 16, 16)).astype(np.float32)}
    one, other = (
        ExplainedFaces(rng.integers(0, 255, (2, 16, 16, 3)).astype(np.uint8), ["5, male", "9, female"], maps) for _ in range(2)
    )
    assert np.array_equal(pixels(one.figure(faces=False)), pixels(other.figure(faces=False)))
    assert not np.array_equal(pixels(one.figure(faces=True)), pixels(other.figure(faces=True)))


def test_without_the_images_there_is_a_warning_and_no_map(
    configure: Configure, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _, network, data = explained(configure(), 2)
    assert explain_faces(network, data.table.frame, {"utkface": tmp_path}, data.crops, 2) is None
    assert "no Grad-CAM: " in caplog.text
