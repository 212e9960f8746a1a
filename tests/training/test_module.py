"""The module: its loss against a reference, the monitors it accepts, and checkpoints that cannot run code."""

import copy
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from agegender.configuration.command import compose
from agegender.errors import AgeGenderError
from agegender.models.checkpoint import read_checkpoint
from agegender.runs.run_directory import RunDirectory
from agegender.train import train
from agegender.training.assemble import assemble_module
from agegender.training.module import AgeGenderModule

NAN = float("nan")


def module(*overrides: str) -> AgeGenderModule:
    config = compose(["image_size=16", "backbone.widths=[4,8]", *overrides])
    torch.manual_seed(0)
    return assemble_module(config, {"none": "no licence"}, {})


def batch(age: list[float], gender: list[int], high: list[float] | None = None) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "image": torch.randint(0, 256, (len(age), 3, 16, 16), dtype=torch.uint8, generator=generator),
        "age_low": torch.tensor(age),
        "age_high": torch.tensor(high or age),
        "gender": torch.tensor(gender),
        "index": torch.arange(len(age)),
    }


def loss_of(model: AgeGenderModule, faces: dict[str, torch.Tensor]) -> torch.Tensor:
    model.trainer = SimpleNamespace(log_every_n_steps=0)  # type: ignore[assignment]
    return model.training_step(faces, 0)


@pytest.mark.parametrize("head", ["regression", "age_bins", "dldl"])
def test_the_loss_is_the_weighted_sum_of_means_over_known_labels(head: str) -> None:
    model = module(f"head={head}", "balance.age=0.1", "balance.gender=2.0").eval()
    faces = batch([20.0, NAN, 40.0, 3.0, NAN], [0, 1, -1, 1, -1], [20.0, NAN, 49.0, 9.0, NAN])
    with torch.no_grad():
        total = loss_of(model, faces)
        outputs = model.network(faces["image"])
    heads: Any = model.network.heads
    age = [
        float(heads["age"].loss(outputs["age"][i : i + 1], faces["age_low"][i : i + 1], faces["age_high"][i : i + 1]))
        for i in (0, 2, 3)
    ]
    gender = [float(heads["gender"].loss(outputs["gender"][i : i + 1], faces["gender"][i : i + 1])) for i in (0, 1, 3)]
    assert float(total) == pytest.approx(0.1 * np.mean(age) + 2.0 * np.mean(gender), rel=1e-5)
    logged = model.losses["fit"].compute()
    assert float(logged["age"]) == pytest.approx(np.mean(age), rel=1e-5)
    assert float(logged["gender"]) == pytest.approx(np.mean(gender), rel=1e-5)


@pytest.mark.parametrize("balance", ["fixed", "uncertainty"])
def test_a_batch_without_any_label_of_a_task_gives_it_zero_but_connected_gradients(balance: str) -> None:
    model = module(f"balance={balance}")
    loss_of(model, batch([NAN, NAN, NAN], [0, 1, 1])).backward()
    heads: Any = model.network.heads
    gradients = {name: p.grad for name, p in model.named_parameters()}
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients.values())
    assert heads["age"].layer.weight.grad.abs().sum() == 0
    assert heads["gender"].layer.weight.grad.abs().sum() > 0


def test_a_batch_without_any_label_at_all_changes_nothing() -> None:
    model = module()
    loss = loss_of(model, batch([NAN, NAN], [-1, -1]))
    loss.backward()
    assert float(loss.detach()) == 0
    assert all(p.grad.abs().sum() == 0 for p in model.parameters() if p.grad is not None)


def test_estimates_are_in_the_documented_ranges() -> None:
    estimates = module().eval()(batch([1.0, 2.0], [0, 1])["image"])
    assert estimates["age"].shape == estimates["probability_female"].shape == (2,)
    assert ((estimates["age"] >= 0) & (estimates["age"] <= 116)).all()
    assert ((estimates["probability_female"] >= 0) & (estimates["probability_female"] <= 1)).all()


def test_a_monitor_of_age_classes_needs_a_head_with_classes() -> None:
    module("head=age_bins", "monitor=val/age_class_error")
    with pytest.raises(AgeGenderError, match=r"monitor=val/age_class_error: .* Allowed: .*val/age_mae") as error:
        module("monitor=val/age_class_error")
    assert "age_class" not in str(error.value).partition("Allowed")[2]
    with pytest.raises(AgeGenderError, match="monitor=val/age_class_error"):
        module("head=age_bins", "tasks=[gender]", "monitor=val/age_class_error")


def test_the_noise_of_a_step_follows_from_its_number_alone() -> None:
    model = module()
    model.trainer = SimpleNamespace(current_epoch=1, global_rank=0)  # type: ignore[assignment]
    drawn = []
    for step in (0, 1, 0):
        torch.rand(step + 1)
        model.on_train_batch_start({}, step)
        drawn.append(torch.rand(3))
    assert torch.equal(drawn[0], drawn[2]) and not torch.equal(drawn[0], drawn[1])


def saved(path: Path, model: AgeGenderModule, **changes: Any) -> Path:
    hyperparameters = {**copy.deepcopy(dict(model.hparams)), **changes}
    torch.save({"state_dict": model.state_dict(), "hyper_parameters": hyperparameters}, path)
    return path


def test_a_checkpoint_alone_rebuilds_the_model_with_its_preprocessing(tmp_path: Path) -> None:
    model = module("backbone.mean=[0.1,0.2,0.3]", "head.sigma=3", "age_range=[5,80]").eval()
    loaded = AgeGenderModule.load_from_checkpoint(saved(tmp_path / "x.ckpt", model))
    image = batch([1.0, 2.0], [0, 1])["image"]
    for key, value in model(image).items():
        assert torch.equal(value, loaded(image)[key])
    assert loaded.hparams["network"]["backbone"]["mean"] == [0.1, 0.2, 0.3]
    assert not loaded.training


def test_pretrained_weights_and_files_are_not_fetched_again(tmp_path: Path) -> None:
    config = compose(["image_size=32", "backbone=mobilenetv2", "backbone.name=test_efficientnet"])
    model = assemble_module(config, {}, {})
    network = copy.deepcopy(model.hparams["network"])
    network["backbone"] |= {"pretrained": True, "weights": "/nowhere.safetensors"}
    loaded = AgeGenderModule.load_from_checkpoint(saved(tmp_path / "x.ckpt", model, network=network))
    assert loaded.hparams["network"]["backbone"]["pretrained"] is False
    assert loaded.hparams["network"]["backbone"]["weights"] is None
    assert len(loaded.hparams["network"]["backbone"]["mean"]) == 3


def test_a_pickled_object_is_refused_and_not_run(tmp_path: Path) -> None:
    flag = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (open, (str(flag), "w"))

    torch.save({"state_dict": {}, "hyper_parameters": Evil()}, tmp_path / "evil.ckpt")
    with pytest.raises(AgeGenderError, match=r"evil\.ckpt"):
        AgeGenderModule.load_from_checkpoint(tmp_path / "evil.ckpt")
    assert not flag.exists()
    pickle.loads(pickle.dumps(Evil()))  # the attack itself works
    assert flag.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"optimizer": {"_target_": "os.system", "command": "touch FLAG"}},
        {"balance": {"_target_": "agegender.runs.provenance.subprocess.Popen", "args": ["touch", "FLAG"]}},
        {"schedule": {"_target_": "builtins.exec", "source": "open('FLAG', 'w')"}},
        {"_instantiator": "os.system"},
        {"_class_path": "os.system"},
        {"network": {"backbone": {"_target_": "agegender.sources.images.os.system", "command": "touch FLAG"}}},
        {"network": "no mapping"},
    ],
)
def test_crafted_hyperparameters_run_nothing(change: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = module()
    if isinstance(change.get("network"), dict):
        change = {"network": {**model.hparams["network"], **change["network"]}}
    path = saved(tmp_path / "x.ckpt", model, **change)
    with pytest.raises(AgeGenderError):
        AgeGenderModule.load_from_checkpoint(path)
    assert not (tmp_path / "FLAG").exists()


@pytest.mark.parametrize("saved", [False, True])
def test_a_loss_that_is_not_finite_ends_the_run_in_its_step(saved: bool, tmp_path: Path) -> None:
    model = module()
    last = RunDirectory(tmp_path).last
    if saved:
        last.parent.mkdir()
        last.touch()
    place = {"log_every_n_steps": 0, "default_root_dir": tmp_path, "current_epoch": 2, "global_step": 40}
    model.trainer = SimpleNamespace(**place)  # type: ignore[assignment]
    with torch.no_grad():
        model.network.heads["age"].layer.weight.fill_(NAN)  # type: ignore[union-attr]
    with pytest.raises(AgeGenderError) as error:
        model.training_step(batch([20.0, 30.0], [0, 1]), 6)
    assert "the loss is nan in epoch 3, batch 7 (step 41)" in str(error.value)
    assert (str(last) if saved else "No epoch is saved") in str(error.value)


def test_accumulated_gradients_of_small_batches_train_the_weights_of_large_ones(configure: Any, tmp_path: Path) -> None:
    """Each face has both labels, so that the mean over a large batch is the mean of the means over its parts."""
    settings = [
        "image_size=32", "backbone=vit_b16", "backbone.name=test_vit", "backbone.pretrained=false", "augment=none",
        "optimizer=sgd", "optimizer.lr=0.02", "trainer.max_epochs=2", "trainer.gradient_clip_val=1", "test=false",
    ]  # fmt: skip
    weights = {}
    for batch_size, parts in ((8, 1), (4, 2), (2, 4)):
        run = RunDirectory(tmp_path / str(batch_size))
        train(
            configure(*settings, f"loader.batch_size={batch_size}", f"trainer.accumulate_grad_batches={parts}", tiny=False), run
        )
        weights[batch_size] = read_checkpoint(run.last)["state_dict"]
        assert [row["steps"] for row in run.read_history()] == [6, 12]
    untrained = AgeGenderModule(**read_checkpoint(run.last)["hyper_parameters"]).state_dict()
    assert (
        max(float((weights[8][name] - value).abs().max()) for name, value in untrained.items() if value.is_floating_point())
        > 0.01
    )
    for name, value in weights[8].items():
        torch.testing.assert_close(weights[4][name], value, rtol=1e-3, atol=2e-5)
        torch.testing.assert_close(weights[2][name], value, rtol=1e-3, atol=2e-5)
