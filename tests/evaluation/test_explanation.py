"""Numbers of an explanation: share on the face, dependence on the weights; and the choice of faces."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from agegender.evaluation.explanation import (
    chosen_faces,
    correlation,
    explain_model,
    face_region,
    face_shares,
    labels_of,
    maps_of,
    measure_explanation,
    shuffled,
)
from agegender.heads.dldl import DLDL
from agegender.heads.gender import GenderCrossEntropy
from agegender.models.custom_cnn import CustomCNN
from agegender.models.network import Network
from agegender.runs.run_directory import RunDirectory
from agegender.sources.crop import Crop

pytest.importorskip("captum", reason="captum is not installed")


def network() -> Network:
    torch.manual_seed(0)
    net = Network(CustomCNN((6, 12)), "avg", [], {}, {"age": DLDL((0, 116)), "gender": GenderCrossEntropy()}, 32)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
    return net.eval()


def images(count: int = 6) -> torch.Tensor:
    rng = np.random.default_rng(0)
    rough = rng.integers(0, 256, (count, 6, 6, 3)).astype(np.uint8)
    return torch.from_numpy(np.stack([cv2.resize(one, (32, 32)) for one in rough])).permute(0, 3, 1, 2).contiguous()


def test_the_face_region_is_in_the_middle_and_shares_are_of_the_sum() -> None:
    region = face_region(100, 100)
    assert region.mean() == pytest.approx(np.pi * 0.34 * 0.44, abs=0.01)
    assert region[54, 50] and region[95, 50] and not region[5, 50] and not region[54, 5] and not region[99, 0]
    maps = np.zeros((3, 100, 100), dtype=np.float32)
    maps[0, 50, 50] = maps[0, 0, 0] = 1.0
    maps[1] = 1.0
    shares = face_shares(maps, region)
    assert shares[0] == 0.5 and shares[1] == pytest.approx(region.mean()) and np.isnan(shares[2])


def test_correlation_is_that_of_ranks_and_ignores_constant_maps() -> None:
    one = np.random.default_rng(0).random((3, 8, 8)).astype(np.float32)
    assert correlation(one, one**3) == pytest.approx(1.0) and correlation(one, -one) == pytest.approx(-1.0)
    assert correlation(np.zeros_like(one), one) is None and correlation(one, np.zeros_like(one)) == 0


def test_shuffled_weights_destroy_the_maps_of_both_methods() -> None:
    """The sanity check of Adebayo et al. (NeurIPS 2018)."""
    net = network()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    other = shuffled(net, 1)
    assert all(torch.equal(net.state_dict()[name], value) for name, value in before.items())
    for (name, own), shuffled_own in zip(net.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(own.flatten().sort().values, shuffled_own.flatten().sort().values), name
    record = measure_explanation(net, images(), maps_of(net, images()), seed=1)
    again = maps_of(net, images())
    for task in ("age", "gender"):
        for method in ("grad_cam", "occlusion"):
            assert correlation(again[task][method], maps_of(net, images())[task][method]) == pytest.approx(1.0)
            assert record[task][method]["random_weights_correlation"] < 0.7
            assert 0 < record[task][method]["face_share"] < 1
    assert record["n"] == 6 and record["face_area"] == pytest.approx(0.47, abs=0.01)


def faces(folder: Path) -> pd.DataFrame:
    for number, image in enumerate(images().permute(0, 2, 3, 1).numpy()):
        cv2.imwrite(str(folder / f"{number}.png"), image)
    return pd.DataFrame({
        "dataset": "d", "path": [f"{number}.png" for number in range(6)], "width": 32, "height": 32,
        "age_low": [10.0, 20, 30, 40, 50, np.nan],
        "age_high": [10.0, 20, 39, 40, 50, np.nan], "gender": pd.array([0, 1, 0, 1, 0, 1], dtype="Int8"),
        "age_pred": [10.0, 25, 35, 70, 52, 1], "probability_female": [0.1, 0.9, 0.8, 0.6, 0.3, 0.05],
    })  # fmt: skip


def test_the_best_the_worst_and_random_faces_of_a_task(tmp_path: Path) -> None:
    some = faces(tmp_path)
    age, gender = chosen_faces(some, "age", 2, 0), chosen_faces(some, "gender", 1, 0)
    assert [list(age[kind]["path"]) for kind in ("best", "worst")] == [["0.png", "2.png"], ["3.png", "1.png"]]
    assert list(gender["worst"]["path"]) == ["5.png"] and len(gender["random"]) == 1
    assert labels_of(age["best"], "age") == ["10 (10)", "35 (30-39)"]
    assert labels_of(gender["worst"], "gender") == ["male 95% (female)"]


def test_grids_are_drawn_only_where_faces_may_be_shown(tmp_path: Path) -> None:
    some, run = faces(tmp_path), RunDirectory(tmp_path / "run")
    run.path.mkdir()
    record = explain_model(network(), some, {"d": tmp_path}, {"d": Crop()}, 4, 0)
    assert record["n"] == 4 and not list(run.path.iterdir())
    assert explain_model(network(), some, {"d": tmp_path}, {"d": Crop()}, 4, 0, run) == record
    for file in (run.explanation_age, run.explanation_gender):
        assert cv2.imread(str(file)).std() > 10
