"""Cached features of a frozen backbone train the same model as images; only runs with equal features share them."""

import csv
import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pandas as pd
import pytest
import torch

from agegender.configuration.resume import continued
from agegender.data.augment import Flip
from agegender.errors import AgeGenderError
from agegender.models.checkpoint import read_checkpoint
from agegender.models.network import Network
from agegender.runs.run_directory import RunDirectory
from agegender.train import train
from agegender.training.checkpoints import EpochCheckpoint
from agegender.training.finetuning import frozen_features


def assert_equal_weights(one: RunDirectory, other: RunDirectory) -> None:
    first, second = (read_checkpoint(run.last)["state_dict"] for run in (one, other))
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Records the number of images of each pass through a backbone, except single images, which only show shapes."""
    counts: list[int] = []
    features = Network.features

    def counted(self: Network, image: torch.Tensor) -> torch.Tensor:
        counts.extend([len(image)] if len(image) > 1 else [])
        return features(self, image)

    monkeypatch.setattr(Network, "features", counted)
    return counts


def history(run: RunDirectory) -> list[dict[str, str]]:
    with (run.path / "history.csv").open() as file:
        return [
            {key: value for key, value in row.items() if key != "seconds" and not key.startswith("speed/")}
            for row in csv.DictReader(file)
        ]


@pytest.mark.parametrize(
    "overrides",
    [
        ["finetune=frozen", "trunk=linear512", "balance=uncertainty", "callbacks=ema", "callbacks.ema.decay=0.8"],
        ["finetune=frozen", "pool=flatten", "tower=linear256", "loader.num_workers=1"],
        ["finetune=frozen", "pool=none", "trunk.layers=[{_target_:torch.nn.Dropout2d,p:0.5},{_target_:torch.nn.Flatten}]"],
        ["finetune=frozen", "pool=none", "trunk.layers=[{_target_:torch.nn.Dropout,p:0.5},{_target_:torch.nn.Flatten}]"],
        ["finetune=frozen", "pool=none", "trunk.layers=[{_target_:torch.nn.AlphaDropout,p:0.5},{_target_:torch.nn.Flatten}]"],
        ["finetune=frozen", "trainer.precision=bf16-mixed", "trunk=dropout"],
        ["finetune=two_stage", "finetune.two_stage.epochs=2", "finetune.two_stage.layers=1", "finetune.two_stage.lr=0.01"],
    ],
    ids=lambda overrides: " ".join(overrides[:3]),
)
def test_cached_features_train_the_same_model_as_images(
    overrides: list[str], configure: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = ["augment=none", "trainer.max_epochs=3", "test=false", f"loader.cache_dir={tmp_path / 'cache'}", *overrides]
    name = overrides[0].partition("=")[2]
    slow, fast, again = (RunDirectory(tmp_path / kind) for kind in ("slow", "fast", "again"))
    counts = passes(monkeypatch)
    train(configure(*base, f"finetune.{name}.views=0"), slow)
    n_slow, faces = sum(counts), pd.read_csv(slow.path / "split.csv")["split"].value_counts()
    counts.clear()
    train(configure(*base), fast)
    n_fast = sum(counts)
    counts.clear()
    train(configure(*base), again)
    seen = faces["train"] // 8 * 8 + faces["val"]  # in an epoch, of which the last incomplete batch is dropped
    images = seen if name == "two_stage" else 0  # its third epoch runs the backbone
    probes = 8 + min(8, faces["val"])  # the first faces of either part, in every run
    measured = faces["val"]  # once more at the end, with the best checkpoint
    expected = 3 * seen, probes + faces["train"] + faces["val"] + images, probes + images
    assert (n_slow, n_fast, sum(counts)) == tuple(number + measured for number in expected)
    one, two = (read_checkpoint(run.last) for run in (slow, fast))
    tolerance = {"rtol": 2e-2, "atol": 1e-3} if "trainer.precision=bf16-mixed" in overrides else {"rtol": 1e-4, "atol": 1e-6}
    for key, value in one["state_dict"].items():
        if value.is_floating_point() and "metrics" not in key and "losses" not in key:
            torch.testing.assert_close(two["state_dict"][key], value, **tolerance, msg=lambda text, key=key: f"{key}: {text}")
    assert_equal_weights(fast, again)
    for first, second in zip(history(slow), history(fast), strict=True):
        assert {k: float(v) for k, v in second.items()} == pytest.approx({k: float(v) for k, v in first.items()}, rel=1e-2)
    assert history(fast) == history(again)


def files(folder: Path) -> int:
    return len(list((folder / "cache" / "features").glob("*.npy")))


@pytest.mark.parametrize("by", ["settings", "bytes"])
def test_other_features_have_files_of_their_own(
    by: str, configure: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each change adds a file for the train split, and one for the validation split unless it only changes augmentation.

    Files must differ by their settings when the bytes of the features are ignored, and the other way round.
    """
    if by == "settings":
        monkeypatch.setattr(frozen_features, "_fingerprint", lambda features: "")
    else:
        monkeypatch.setattr(frozen_features, "_backbone_recipe", lambda trainer, module: [])
    seeds = [0]
    monkeypatch.setattr(L, "seed_everything", lambda seed, **_: torch.manual_seed(seeds[-1]))  # the initial weights only
    base = ["finetune=frozen", "finetune.frozen.views=1", "augment=flip", "test=false", "split.seed=0",
            f"loader.cache_dir={tmp_path / 'cache'}", "loader.batch_size=16"]  # fmt: skip
    expected = 0
    for number, (new, weights, overrides) in enumerate([
        (2, 0, []), (0, 0, ["optimizer.lr=0.01", "head=regression"]), (2, 1, []), (2, 0, ["trainer.precision=bf16-mixed"]),
        (2, 0, ["pool=flatten"]), (2, 0, ["image_size=20"]), (2, 0, ["data.crop_scale=0.8"]),
        (2, 0, ["backbone.mean=[0.4,0.5,0.5]"]), (1, 0, ["seed=1"]),
        (1, 0, ["augment=geometric"]), (1, 0, ["augment.probability=0.6"]), (1, 0, ["loader.batch_size=15"]), (0, 0, []),
    ]):  # fmt: skip
        if by == "bytes" and overrides in (["augment.probability=0.6"], ["loader.batch_size=15"]):
            continue  # may not change the first faces, which are the only ones hashed
        seeds.append(weights)
        train(configure(*base, *overrides), RunDirectory(tmp_path / str(number)))
        expected += new
        assert files(tmp_path) == expected, overrides


def test_features_are_computed_again_when_code_has_changed(
    configure: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = ["finetune=frozen", "finetune.frozen.views=1", "test=false", f"loader.cache_dir={tmp_path / 'cache'}"]
    train(configure(*base), RunDirectory(tmp_path / "before"))
    normalise, flip = Network.normalise, Flip.__call__
    with monkeypatch.context() as patch:
        patch.setattr(Network, "normalise", lambda self, image: normalise(self, image) * 1.0001)
        train(configure(*base), RunDirectory(tmp_path / "network"))
    assert files(tmp_path) == 4
    monkeypatch.setattr(Flip, "__call__", lambda self, images, seed: flip(self, images, seed + 1))
    train(configure(*base), RunDirectory(tmp_path / "augmentation"))
    assert files(tmp_path) == 5


def test_views_are_computed_once_and_used_in_turn(
    configure: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configure(
        "finetune=frozen", "finetune.frozen.views=2", "augment=geometric", "trainer.max_epochs=4", "test=false",
        f"loader.cache_dir={tmp_path / 'cache'}",
    )  # fmt: skip
    counts, given = passes(monkeypatch), []
    outputs = Network.outputs
    monkeypatch.setattr(Network, "outputs", lambda self, features: given.append(features) or outputs(self, features))
    run = RunDirectory(tmp_path / "run")
    train(config, run)
    faces = pd.read_csv(run.path / "split.csv")["split"].value_counts()
    measured = faces["val"]  # once more at the end, with the best checkpoint
    assert sum(counts) == 2 * (8 + faces["train"]) + min(8, faces["val"]) + faces["val"] + measured
    steps = faces["train"] // 8 + -(-faces["val"] // 8)
    given = [features for features in given if len(features) > 1]
    assert len(given) == 4 * steps + -(-measured // 8)
    epochs = [torch.cat(given[e * steps : e * steps + faces["train"] // 8]) for e in range(4)]
    val = [torch.cat(given[e * steps + faces["train"] // 8 : (e + 1) * steps]) for e in range(4)]
    assert all(torch.equal(val[0], other) for other in val[1:])
    rows = [{tuple(row) for row in epoch.tolist()} for epoch in epochs]
    # the order changes and an epoch drops some faces, but most rows of a view are seen again two epochs later, none one later
    assert len(rows[0] & rows[2]) > len(rows[0]) / 2 and len(rows[1] & rows[3]) > len(rows[1]) / 2
    assert not (rows[0] & rows[1]) and not (rows[2] & rows[3])


@pytest.mark.parametrize(
    ("overrides", "logged"),
    [
        (["augment=flip"], "runs in every epoch: images are augmented"),
        (["augment=none", "loader.cache=none"], "runs in every epoch: loader.cache=none"),
        (["augment=none", "trainer.limit_train_batches=1"], ""),
        (["augment=none", "trainer.max_epochs=1"], ""),
        (["augment=none", "finetune=gradual"], ""),
    ],
)
def test_features_are_not_cached_where_that_changes_the_model_or_saves_nothing(
    overrides: list[str], logged: str, configure: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    cache = f"loader.cache_dir={tmp_path / 'cache'}"
    train(configure("finetune=frozen", "test=false", cache, *overrides), RunDirectory(tmp_path / "run"))
    assert not (tmp_path / "cache" / "features").exists()
    text = (tmp_path / "run" / "log.txt").read_text()
    assert logged in text and "runs once per face" not in text


def test_no_more_views_are_computed_than_there_are_epochs_and_a_longer_run_adds_more(
    configure: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = ["finetune=frozen", "finetune.frozen.views=3", "augment=flip", "test=false", "schedule=constant"]
    cache = f"loader.cache_dir={tmp_path / 'cache'}"
    short, whole = RunDirectory(tmp_path / "short"), RunDirectory(tmp_path / "whole")
    train(configure(*base, cache, "trainer.max_epochs=2"), short)
    assert files(tmp_path) == 2 + 1
    assert "finetune.frozen.views=3: each of the 2 epochs has a view of its own" in (short.path / "log.txt").read_text()
    train(continued(short.read_config(), ["trainer.max_epochs=5"], short.path), short, resuming=True)
    assert files(tmp_path) == 3 + 1
    train(configure(*base, f"loader.cache_dir={tmp_path / 'other'}", "trainer.max_epochs=5"), whole)
    assert_equal_weights(short, whole)
    assert "a view of its own" not in (whole.path / "log.txt").read_text()


def test_views_without_a_cache_are_an_error_before_any_face_is_read(
    configure: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    config = configure("finetune=two_stage", "finetune.two_stage.views=4", "finetune.two_stage.layers=1", "loader.cache=none")
    with pytest.raises(AgeGenderError, match=r"finetune\.two_stage\.views=4: .* loader\.cache=none"):
        train(config, RunDirectory(tmp_path / "run"))


def test_the_size_is_logged_before_features_are_written(
    configure: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    config = configure(
        "finetune=frozen", "augment=none", "test=false", "pool=none", "trunk.layers=[{_target_:torch.nn.Flatten}]",
        "image_size=64", f"loader.cache_dir={tmp_path / 'cache'}",
    )  # fmt: skip
    monkeypatch.setattr("agegender.data.features._write", full)
    with pytest.raises(AgeGenderError, match=r"feature cache .*\.npy \(0\.000393 GB\): No space left on device"):
        train(config, RunDirectory(tmp_path / "run"))
    assert "features (train): 48 faces, 0.000393 GB" in (tmp_path / "run/log.txt").read_text()


def test_a_resumed_run_uses_its_cached_features(
    configure: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configure(
        "finetune=two_stage", "finetune.two_stage.epochs=3", "finetune.two_stage.layers=1", "augment=none", "test=false",
        "trainer.max_epochs=5", f"loader.cache_dir={tmp_path / 'cache'}",
    )  # fmt: skip
    save = EpochCheckpoint.on_train_epoch_end

    def save_and_copy(self: EpochCheckpoint, trainer: Any, module: Any) -> None:
        save(self, trainer, module)
        shutil.copytree(tmp_path / "run", tmp_path / f"after{trainer.current_epoch + 1}")

    with monkeypatch.context() as patch:
        patch.setattr(EpochCheckpoint, "on_train_epoch_end", save_and_copy)
        train(config, RunDirectory(tmp_path / "run"))
    for done in (2, 3, 4):
        run = RunDirectory(tmp_path / f"after{done}")
        train(continued(run.read_config(), [], run.path), run, resuming=True)
        assert_equal_weights(RunDirectory(tmp_path / "run"), run)
    assert len(list((tmp_path / "cache" / "features").glob("*.npy"))) == 2  # none of the thawed backbone
