"""Every experiment is valid, trains and is tested, on generated faces."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from agegender.configuration.build import build
from agegender.configuration.command import compose
from agegender.configuration.paths import CONF
from agegender.configuration.schema import validate
from agegender.runs.run_directory import RunDirectory
from agegender.train import train
from agegender.training.module import AgeGenderModule

NAMES = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
Experiment = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_valid_has_a_header_and_names_itself(name: str, experiment: Experiment) -> None:
    config = experiment(name)
    validate(config)
    assert config["name"] == name
    assert (CONF / "experiment" / f"{name}.yaml").read_text().startswith("# @package _global_\n# ")


def test_every_row_of_the_ablation_is_valid() -> None:
    folder = CONF.parent / "docs" / "results" / "ablation"
    names = sorted(path.stem for path in (folder / "experiment").glob("*.yaml"))
    assert "reference" in names
    for name in names:
        earlier = "init_from:" in (folder / "experiment" / f"{name}.yaml").read_text() or name == "ranges_long_px160"
        weights = "backbone.weights=null" if earlier else "backbone.weights=/weights"
        config = compose([f"hydra.searchpath=[file://{folder}]", f"experiment={name}", "data.root=/faces", weights])
        validate(config)
        assert config["backbone"]["name"] == ("tf_efficientnet_lite0" if name == "lite0" else "mobilenetv1_100")
        assert config["split"]["seed"] == 0 and (config["init_from"] is not None) == earlier
        assert (config["data"]["exclude"] is not None) == (name == "clean")


@pytest.fixture
def miniature(monkeypatch: pytest.MonkeyPatch) -> None:
    """timm's own miniature stands in for architectures too large for a whole run."""
    real = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda *_, **__: real("test_efficientnet", num_classes=0))


@pytest.mark.usefixtures("miniature")
@pytest.mark.parametrize(
    "name", [name for name in NAMES if "paplham" not in name or name.endswith("_ce")]
)  # others: other heads
def test_it_trains_and_is_tested(
    name: str, experiment: Experiment, faces: Path, fairface: Path, facebase: Path, tmp_path: Path
) -> None:
    paper = experiment(name)
    stages = ["trainer.max_epochs=2", "finetune.two_stage.epochs=1"] if "two_stage" in name else ["trainer.max_epochs=1"]
    subset = ["split.subset=40"] if paper["split"].get("subset") else []
    benchmark = "split.benchmark" if "benchmark" in paper["split"] else ""
    own = [f"data.root={facebase}", f"{benchmark}={facebase}/UTKFace.yaml"] if benchmark else [f"data.root={faces}"]
    own = [f"data.root={fairface}"] if list(paper["data"]["sources"]) == ["fairface"] else own
    own = [f"data.utkface.root={faces}", f"data.fairface.root={fairface}"] if "mixed" in name else own
    own += ["trainer=cpu"] if paper["trainer"]["accelerator"] == "gpu" else []
    size = 128 if paper["pool"] == "none" else 32
    small = [f"image_size={size}", "loader.batch_size=8", "trainer.limit_train_batches=1", "logger=none"]
    config = experiment(name, *own, *small, *stages, *subset)
    validate(config)
    run = RunDirectory(tmp_path)
    train(config, run)
    metrics = json.loads(run.metrics.read_text())
    tested = metrics[metrics["tested"]]
    assert {f"n_{task}" for task in config["tasks"]} <= set(tested) and tested["n"] > 0
    assert metrics["tested"] == ("test" if config["split"].get("fractions", [0.6, 0.2, 0.2])[2] else "val")
    assert not subset or sum(metrics[part]["n"] for part in ("train", "val")) == 40
    assert (tmp_path / "layers.txt").read_text().startswith("layer")
    if name.startswith("age4"):
        assert tested["confusions"]["age_class"]["names"] == ["0-25", "26-50", "51-75", "76+"]
        assert "val/age_class_accuracy" in (tmp_path / "history.csv").read_text()
        assert 0 <= metrics["train"]["age_class_accuracy"] <= 1


def test_face_recognition_weights_are_asked_for(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "agegender.train", "experiment=vgg16_vggface_gender", "data.root=/faces"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={"PYTHONPATH": str(CONF.parent)})
    assert result.returncode == 2 and "backbone.weights: must be given" in result.stderr


def test_another_face_recognition_net_takes_the_place_of_resnet50(shared: Path, faces: Path, tmp_path: Path) -> None:
    file = shared / "weights" / "mobilenetv1_100_vggface2.safetensors"
    if not file.is_file():
        pytest.skip(f"{file} is absent")
    other = ["backbone=mobilenetv1", "backbone.pad_type=same", f"backbone.weights={file}", f"data.root={faces}"]
    other += ["backbone.mean=[0.485,0.456,0.406]", "backbone.std=[0.229,0.224,0.225]"]
    small = ["image_size=32", "loader.batch_size=8", "trainer.limit_train_batches=1", "trainer.max_epochs=1", "logger=none"]
    config = compose(["experiment=resnet50_vggface2_gender", *other, *small])
    validate(config)
    train(config, RunDirectory(tmp_path))
    trained = AgeGenderModule.load_from_checkpoint(tmp_path / "checkpoints/last.ckpt").network.backbone
    fresh = build(config["backbone"], "backbone")
    assert trained.mean == [0.485, 0.456, 0.406] and trained.std == [0.229, 0.224, 0.225]
    assert all(torch.equal(one, other) for one, other in zip(trained.parameters(), fresh.parameters(), strict=True))


def test_the_command_line_has_the_last_word() -> None:
    config = compose(["experiment=age4_resnet50", "data=toyfaces", "head=dldl", "backbone=custom_cnn", "monitor=val/age_mae"])
    validate(config)
    assert list(config["data"]["sources"]) == ["toyfaces"] and config["backbone"]["widths"]
