"""Networks from checkpoints of real trainings, in processes without Lightning, and files that cannot be read."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agegender.configuration.command import compose
from agegender.configuration.paths import CONF
from agegender.errors import AgeGenderError
from agegender.models.checkpoint import load_network, read_checkpoint, without_weights
from agegender.models.weights import load_weights
from agegender.runs.run_directory import RunDirectory
from agegender.sources.crop import Crop
from agegender.sources.resizing import squared
from agegender.train import train
from agegender.training.module import AgeGenderModule

WITHOUT_LIGHTNING = """
import json, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("lightning", "pytorch_lightning", "lightning_fabric", "hydra", "omegaconf", "albumentations"):
            raise RuntimeError(f"{name} is imported")

sys.meta_path.insert(0, Refuse())
try:
    import lightning
except RuntimeError:
    pass
else:
    raise SystemExit("the imports are not refused")

import torch
from agegender.models.checkpoint import load_network

trained = load_network(sys.argv[1])
with torch.no_grad():
    estimates = trained.network.estimate(trained.network(torch.load(sys.argv[2], weights_only=True)))
print(json.dumps({name: values.tolist() for name, values in estimates.items()}))
"""


@pytest.fixture(scope="module")
def run(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A training with averaged weights, two tasks and a normalisation of its own."""
    config = compose([
        "data=utkface", f"data.root={faces}", "image_size=16", "backbone.widths=[4,8]", "backbone.mean=[0.4,0.5,0.6]",
        "age_range=[1,99]", "trainer.max_epochs=1", "loader.batch_size=8", "callbacks=ema", "logger=none", "test=false",
        "data.fit=pad", "data.crop_scale=0.9", "data.outside=black",
    ])  # fmt: skip
    run = RunDirectory(tmp_path_factory.mktemp("run"))
    train(config, run)
    return run


def images(count: int = 5, size: int = 16) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_a_process_without_lightning_hydra_and_albumentations_predicts_the_same(run: RunDirectory, tmp_path: Path) -> None:
    torch.save(images(), tmp_path / "images.pt")
    found = subprocess.run(
        [sys.executable, "-c", WITHOUT_LIGHTNING, str(run.best), str(tmp_path / "images.pt")],
        capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(CONF.parent)},
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    estimates = {name: torch.tensor(values) for name, values in json.loads(found.stdout).items()}
    module = AgeGenderModule.load_from_checkpoint(run.best)
    with torch.no_grad():
        expected = module(images())
        distribution = module.network.heads["age"].distribution(module.network(images())["age"])  # type: ignore[operator]
    assert set(estimates) == {"age", "probability_female", "age_distribution"}
    for name, values in {**expected, "age_distribution": distribution}.items():
        torch.testing.assert_close(estimates[name], values, rtol=1e-6, atol=1e-6)
    assert expected["age"].std() > 0


def test_a_network_comes_with_its_preprocessing_labels_and_provenance(run: RunDirectory) -> None:
    trained = load_network(run.best)
    assert (trained.image_size, trained.mean, trained.std) == (16, (0.4, 0.5, 0.6), (0.5, 0.5, 0.5))
    assert (trained.tasks, trained.age_range) == (("age", "gender"), (1, 99))
    assert (trained.gender["0"], trained.gender["1"]) == ("male", "female")
    assert "appearance" in trained.gender["meaning"]
    assert list(trained.licenses) == ["utkface"] and "non-commercial" in trained.licenses["utkface"]
    assert not any(module.training for module in trained.network.modules())


def test_a_network_knows_how_the_images_of_its_training_were_cropped(run: RunDirectory, tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    trained = load_network(run.best)
    assert trained.crops == {"utkface": Crop("pad", 0.9, "black")}
    assert np.array_equal(trained.crop(image, 16), Crop("pad", 0.9, "black")(image, 16))
    earlier = changed(run, tmp_path / "earlier.ckpt", lambda c: c["hyper_parameters"]["about"].pop("crops"))
    assert np.array_equal(load_network(earlier).crop(image, 16), squared(image, 16))
    assert AgeGenderModule.load_from_checkpoint(earlier).crops == {"utkface": Crop("stretch", 1.0)}
    wrong = changed(
        run, tmp_path / "wrong.ckpt", lambda c: c["hyper_parameters"]["about"]["crops"]["utkface"].update(fit="zoom")
    )
    with pytest.raises(AgeGenderError, match=r"wrong.ckpt: data.fit=zoom: expected"):
        load_network(wrong)


def test_the_weights_are_the_averaged_ones_of_the_checkpoint(run: RunDirectory) -> None:
    checkpoint = read_checkpoint(run.best)
    weights = load_network(run.best).network.state_dict()
    assert {f"network.{name}" for name in weights} == {n for n in checkpoint["state_dict"] if n.startswith("network.")}
    assert all(torch.equal(checkpoint["state_dict"][f"network.{name}"], value) for name, value in weights.items())


def test_optimizer_schedule_and_balance_are_not_built(run: RunDirectory, tmp_path: Path) -> None:
    checkpoint = read_checkpoint(run.best)
    for section in ("optimizer", "schedule", "balance"):
        checkpoint["hyper_parameters"][section] = {"_target_": "no.such.Class"}
    torch.save(checkpoint, tmp_path / "x.ckpt")
    load_network(tmp_path / "x.ckpt")
    with pytest.raises(AgeGenderError, match=r"no\.such\.Class"):
        AgeGenderModule.load_from_checkpoint(tmp_path / "x.ckpt")


def changed(run: RunDirectory, path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    checkpoint = read_checkpoint(run.best)
    change(checkpoint)
    torch.save(checkpoint, path)
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("hyper_parameters"), "not a checkpoint of agegender"),
        (lambda c: c.pop("state_dict"), "not a checkpoint of agegender"),
        (lambda c: c["hyper_parameters"].pop("about"), "does not fit this version of agegender: no 'about'"),
        (lambda c: c["hyper_parameters"].update(network="no mapping"), "does not fit this version"),
        (lambda c: c["hyper_parameters"]["network"].update(backbone=None), "does not fit this version"),
        (lambda c: c["hyper_parameters"]["network"].update(image_size=2), "cannot take one image of 2 pixels"),
        (lambda c: c["state_dict"].pop("network.heads.age.layer.weight"), "Missing key"),
        (lambda c: c["hyper_parameters"]["network"]["head"].update(age_range=[0, 116]), "size mismatch"),
        (
            lambda c: c["hyper_parameters"]["network"]["backbone"].update(
                mean={"_target_": "agegender.models.backbones.TimmBackbone", "name": "resnet18", "pretrained": True}
            ),
            r"backbone\.mean: must be plain values",
        ),
        (
            lambda c: c["hyper_parameters"]["network"]["head"].update(_target_="os.system"),
            r"refusing to instantiate 'os\.system'",
        ),
    ],
)
def test_a_file_that_does_not_fit_gives_one_line(
    change: Callable[[dict[str, Any]], object], message: str, run: RunDirectory, tmp_path: Path
) -> None:
    path = changed(run, tmp_path / "x.ckpt", change)
    with pytest.raises(AgeGenderError, match=message) as error:
        load_network(path)
    assert str(error.value).startswith(f"{path}: ") and len(str(error.value).splitlines()) == 1


def test_a_tensor_is_no_checkpoint(tmp_path: Path) -> None:
    torch.save(torch.zeros(1), tmp_path / "x.ckpt")
    with pytest.raises(AgeGenderError, match=r"x\.ckpt: not a checkpoint, but a Tensor"):
        load_network(tmp_path / "x.ckpt")


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 broken zip"])
def test_damaged_files_are_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.ckpt").write_bytes(content)
    with pytest.raises(AgeGenderError, match=r"x\.ckpt"):
        read_checkpoint(tmp_path / "x.ckpt")
    with pytest.raises(AgeGenderError, match="no such checkpoint"):
        read_checkpoint(tmp_path / "absent.ckpt")


def test_a_configuration_loses_its_sources_of_weights_and_nothing_else() -> None:
    config = {"backbone": {"name": "x", "pretrained": True, "weights": "file", "mean": [0.1]}, "pool": "avg"}
    expected = {"backbone": {"name": "x", "pretrained": False, "weights": None, "mean": [0.1]}, "pool": "avg"}
    assert without_weights(config) == expected
    assert config["backbone"]["pretrained"] is True  # type: ignore[index]
    nested = {"backbone": {"mean": {"_target_": "x", "pretrained": True}, "std": [{"weights": "/etc/passwd"}]}}
    assert without_weights(nested) == {"backbone": {"mean": {"_target_": "x", "pretrained": False}, "std": [{"weights": None}]}}


def test_the_refusal_of_code_gives_no_advice_to_run_it(tmp_path: Path) -> None:
    class Code:
        def __reduce__(self) -> tuple:
            return print, ("run",)

    torch.save({"x": Code()}, tmp_path / "x.ckpt")
    with pytest.raises(AgeGenderError, match=r"x\.ckpt: refused: .*more than tensors and plain values$"):
        read_checkpoint(tmp_path / "x.ckpt")
    with pytest.raises(AgeGenderError, match=r"x\.ckpt: not a .* of plain tensors: damaged, or holds code$"):
        load_weights(torch.nn.Linear(1, 1), tmp_path / "x.ckpt")


def test_weights_that_are_not_finite_are_refused(run: RunDirectory, tmp_path: Path) -> None:
    path = changed(run, tmp_path / "x.ckpt", lambda c: c["state_dict"]["network.heads.age.layer.bias"].fill_(float("nan")))
    with pytest.raises(AgeGenderError, match=r"x\.ckpt: network\.heads\.age\.layer\.bias has values that are not finite"):
        load_network(path)
    torch.save({"weight": torch.full((1, 1), float("inf")), "bias": torch.zeros(1)}, tmp_path / "w.pt")
    with pytest.raises(AgeGenderError, match=r"backbone\.weights=.*w\.pt: weight has values that are not finite"):
        load_weights(torch.nn.Linear(1, 1), tmp_path / "w.pt")


@pytest.mark.parametrize(
    "name", ["hf-hub:somebody/model", "hf_hub:somebody/model", "local-dir:/etc", "timm/resnet18", "https://a.b/c"]
)
def test_a_model_from_elsewhere_is_neither_downloaded_nor_read(
    name: str, run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    checkpoint = torch.load(run.best, weights_only=True)
    checkpoint["hyper_parameters"]["network"]["backbone"] = {
        "_target_": "agegender.models.backbones.TimmBackbone", "name": name, "pretrained": True
    }  # fmt: skip
    torch.save(checkpoint, tmp_path / "foreign.ckpt")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: pytest.fail("the network is used"))
    with pytest.raises(AgeGenderError, match=r"foreign\.ckpt: backbone\.name=.*has no such model"):
        load_network(tmp_path / "foreign.ckpt")
