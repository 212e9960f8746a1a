"""What a training starts from: run directories, checkpoints and bundles are read, and anything else is refused in one line."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from agegender.errors import AgeGenderError
from agegender.export import main as export
from agegender.models.checkpoint import load_network
from agegender.runs.run_directory import RunDirectory
from agegender.training.assemble import assemble_module
from agegender.training.finetuning.earlier_model import EarlierModel

Configure = Callable[..., dict[str, Any]]
VIT = ["backbone=resnet50", "backbone.name=test_vit", "backbone.pretrained=false", "head=dldl"]


def refused(path: Path) -> str:
    with pytest.raises(AgeGenderError, match="init_from") as error:
        EarlierModel.read(path)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def started(config: dict[str, Any], earlier: EarlierModel) -> Any:
    module = assemble_module(config, {"utkface": "research"}, {}, earlier)
    earlier.load_into(module)
    return module


def test_run_directory_checkpoint_and_bundle_are_the_same_model(
    trained_run: Path, configure: Configure, tmp_path: Path
) -> None:
    run = RunDirectory(trained_run)
    export([str(trained_run), str(tmp_path / "bundle"), "--format", "safetensors"])
    shutil.copy(run.best, tmp_path / "alone.ckpt")
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    expected = load_network(run.best).network(images)
    for path in (trained_run, run.best, tmp_path / "bundle", tmp_path / "alone.ckpt"):
        earlier = EarlierModel.read(path)
        module = started(configure("head=dldl", "image_size=32"), earlier)
        assert not module.random_backbone
        for task, output in module.network.eval()(images).items():
            torch.testing.assert_close(output, expected[task])
        (stage,) = earlier.chain
        assert list(stage.data) == ["utkface"] and stage.path == str(path)
        known = path.name != "alone.ckpt"
        assert (earlier.seen == run.read_seen()) is known is (stage.seen == 54)
        assert module.hparams["about"]["earlier"] == [stage.portable()]


def test_mean_and_std_are_inherited_unless_given(trained_run: Path, configure: Configure) -> None:
    earlier = EarlierModel.read(trained_run)
    network = {**earlier.network, "backbone": {**earlier.network["backbone"], "mean": [0.1, 0.2, 0.3]}}
    object.__setattr__(earlier, "network", network)
    config = configure(*VIT, tiny=False)
    backbone = earlier.preprocessed(config)["backbone"]
    assert (backbone["mean"], backbone["std"]) == ([0.1, 0.2, 0.3], [0.5, 0.5, 0.5])
    assert not backbone["pretrained"] and config["backbone"]["mean"] is None
    assert earlier.preprocessed(configure("backbone.mean=[0,0,0]"))["backbone"]["mean"] == [0, 0, 0]


def test_pretrained_weights_are_not_loaded(trained_run: Path, configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    import timm

    asked = []
    create = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda *args, **kw: asked.append(kw["pretrained"]) or create(*args, **kw))
    config = configure(
        "backbone=resnet50", "backbone.name=test_resnet", "backbone.pretrained=true", "image_size=32", tiny=False
    )
    with pytest.raises(AgeGenderError, match="no weight of its backbone CustomCNN fits the backbone test_resnet"):
        started(config, EarlierModel.read(trained_run))
    assert asked == [False]


def test_a_backbone_of_a_fixed_image_size_refuses_another_one(trained_run: Path, configure: Configure) -> None:
    config = configure(*VIT, "image_size=32", tiny=False)
    vit = assemble_module(config, {}, {})
    earlier = EarlierModel.read(trained_run)
    object.__setattr__(earlier, "network", dict(vit.hparams["network"]))
    object.__setattr__(earlier, "weights", vit.network.state_dict())
    assert earlier.load_into(assemble_module(config, {}, {}))["backbone"].other_shape == {}
    with pytest.raises(AgeGenderError, match=r"^image_size=48: .* was trained with image_size=32$"):
        earlier.load_into(assemble_module(configure(*VIT, "image_size=48", tiny=False), {}, {}))


def test_a_model_that_has_changed_is_noticed(trained_run: Path, configure: Configure, tmp_path: Path) -> None:
    earlier, run = EarlierModel.read(trained_run), RunDirectory(tmp_path / "run")
    earlier.require_unchanged(run)
    module = started(configure("head=dldl", "image_size=32"), earlier)
    earlier.record(run, module, {})
    earlier.require_unchanged(run)
    run.write_init({"chain": [{**run.read_init()["chain"][0], "sha256": "0" * 64}], "loaded": {}})
    with pytest.raises(AgeGenderError, match="have changed since"):
        earlier.require_unchanged(run)


def test_anything_else_is_refused(trained_run: Path, bundle: Path, tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "none")
    assert "neither a run directory" in refused(tmp_path)
    assert "export the run with --format safetensors" in refused(bundle)
    assert "export the run with --format safetensors" in refused(bundle / "model.onnx")
    (tmp_path / "code.ckpt").write_bytes(pickle.dumps(Path("x")))
    assert "code.ckpt" in refused(tmp_path / "code.ckpt")
    torch.save({"state_dict": {}, "epoch": 3}, tmp_path / "other.ckpt")
    assert "not a checkpoint of agegender" in refused(tmp_path / "other.ckpt")
    arguments = {"network": {"backbone": {}}, "about": {"data": ["x"]}}
    torch.save({"state_dict": {}, "hyper_parameters": arguments}, tmp_path / "crafted.ckpt")
    assert "does not fit this version" in refused(tmp_path / "crafted.ckpt")
    shutil.copytree(trained_run, tmp_path / "damaged")
    RunDirectory(tmp_path / "damaged").seen.write_text("abc\n")
    assert "'abc' is not the SHA-256" in refused(tmp_path / "damaged")
    RunDirectory(tmp_path / "damaged").best.unlink()
    assert "there is no such checkpoint" in refused(tmp_path / "damaged")
