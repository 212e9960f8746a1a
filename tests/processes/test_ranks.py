"""Jobs of two processes train what one process trains and test each face once; what a rank reads from its environment."""

import csv
import json
import re
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pandas as pd
import pytest
import torch

from agegender.configuration.command import compose
from agegender.configuration.resume import continued
from agegender.configuration.schema import validate
from agegender.data.assemble import assemble
from agegender.data.batches import TrainBatches
from agegender.errors import AgeGenderError
from agegender.evaluate import evaluate
from agegender.models.checkpoint import read_checkpoint
from agegender.processes import ranks
from agegender.runs.run_directory import RunDirectory
from agegender.train import train
from agegender.training.module import AgeGenderModule

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the processes of a job in /proc")

DDP = ["agegender.train", "trainer=ddp", "trainer.devices=2"]
TORCHRUN = ["torch.distributed.run", "--nproc-per-node", "2", "-m", "agegender.train"]


@pytest.fixture(scope="module")
def settings(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Most faces lack a label; a network without batch norm and dropout; early stopping after three epochs."""
    root = shutil.copytree(faces, tmp_path_factory.mktemp("partly") / "faces")
    rng = np.random.default_rng(5)
    with (root / "faces.csv").open("w") as file:
        file.write("path,age,gender\n")
        for path in sorted(root.glob("*.jpg")):
            age, gender = path.name.split("_")[:2]
            kind = rng.choice(["age", "gender", "both"], p=[0.7, 0.2, 0.1])
            file.write(f"{path.name},{age if kind != 'gender' else ''},{'mf'[int(gender)] if kind != 'age' else ''}\n")
    return [
        "data=folder", f"data.root={root}", "data.csv=faces.csv", "image_size=32", "split.fractions=[0.734,0.15,0.116]",
        "backbone=vit_b16", "backbone.name=test_vit", "backbone.pretrained=false", "augment=none", "balance=uncertainty",
        "optimizer=sgd", "optimizer.lr=0.02", "schedule=constant", "trainer.max_epochs=6",
        "callbacks.early_stopping.patience=2", "+callbacks.early_stopping.min_delta=1000",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def alone(settings: list[str], tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    directory = RunDirectory(tmp_path_factory.mktemp("alone") / "run")
    config = compose([*settings, "loader.batch_size=8"])
    validate(config)
    train(config, directory)
    return directory


@pytest.fixture(scope="module")
def together(settings: list[str], tmp_path_factory: pytest.TempPathFactory, run_job: Any) -> tuple[RunDirectory, str]:
    """The run of two processes with half the batch size each, and its output."""
    folder = tmp_path_factory.mktemp("together")
    output = run_job(folder, *DDP, *settings, "loader.batch_size=4")
    return RunDirectory(only_run(folder)), output


def only_run(folder: Path) -> Path:
    """The run directory; the command must have written nothing else."""
    runs = list(folder.glob("outputs/*/*"))
    assert len(runs) == 1 and [path.name for path in folder.iterdir()] == ["outputs"]
    return runs[0]


def weights(run: RunDirectory) -> dict[str, torch.Tensor]:
    return read_checkpoint(run.last)["state_dict"]


def history(run: RunDirectory) -> list[dict[str, str]]:
    with (run.path / "history.csv").open() as file:
        return list(csv.DictReader(file))


@linux
def test_two_processes_with_half_the_batch_train_the_weights_of_one(
    alone: RunDirectory, together: tuple[RunDirectory, str], settings: list[str]
) -> None:
    one, two = weights(alone), weights(together[0])
    untrained = AgeGenderModule(**read_checkpoint(alone.last)["hyper_parameters"]).state_dict()
    assert one.keys() == two.keys()
    moved = max(float((one[name] - untrained[name]).abs().max()) for name in one if one[name].is_floating_point())
    assert moved > 0.1
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-3, atol=2e-5, msg=lambda text, name=name: f"{name}: {text}")
    first, second = history(alone), history(together[0])
    assert len(first) == len(second) == 3  # of six epochs: all processes stopped early, in the same epoch
    for row, other in zip(first, second, strict=True):
        for key in (key for key in row if key != "seconds" and not key.startswith("speed/")):
            assert float(row[key]) == pytest.approx(float(other[key]), rel=1e-3, abs=1e-4), key

    for row in second:
        ranks_alone = [float(row[f"speed/images_per_second_rank_{rank}"]) for rank in range(2)]
        assert max(ranks_alone) <= float(row["speed/images_per_second"]) * (1 + 1e-6) <= sum(ranks_alone) * (1 + 2e-6)
    assert not any("_rank_" in key for key in first[0])

    # This compares the masking of unknown labels only if, in some steps, one rank has no face with a gender label.
    data = assemble(compose([*settings, "loader.batch_size=4"]))
    data.setup()
    frame = data.table.frame
    rows = np.flatnonzero(frame["split"] == "train")
    shares = [TrainBatches(rows, 4, 0, rank, 2) for rank in range(2)]
    for share in shares:
        share.set_epoch(1)
    known = [[frame["gender"].iloc[step.indices].notna().any() for step in share] for share in shares]
    assert {(True, False), (False, False)} <= set(zip(*known, strict=True)) | {(b, a) for a, b in zip(*known, strict=True)}


@linux
def test_two_processes_test_what_one_tests_each_face_once(together: tuple[RunDirectory, str]) -> None:
    run = together[0]
    metrics = json.loads(run.metrics.read_text())
    split = pd.read_csv(run.path / "split.csv")
    counts = split["split"].value_counts()
    assert counts["val"] % 8 == 1 and counts["test"] % 2 == 1  # so that numbers of faces, and of batches, differ
    predictions = pd.read_parquet(run.path / "predictions.parquet")
    held_out = split[split["split"] != "train"]
    assert sorted(predictions["path"]) == sorted(held_out["path"])
    assert (metrics["test"]["n"], metrics["val"]["n"]) == (counts["test"], counts["val"])
    assert_close(evaluate(run, run.read_config(), "test")["test"], metrics["test"])
    again = evaluate(run, run.read_config(), "val")["val"]
    of_all_faces = [key for key in metrics["val"] if key != "by_group"]  # groups have intervals where they are what is tested
    assert_close({key: again[key] for key in of_all_faces}, {key: metrics["val"][key] for key in of_all_faces})


def assert_close(first: Any, second: Any) -> None:
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            assert_close(first[key], second[key])
    elif isinstance(first, list):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            assert_close(one, other)
    else:
        assert first == (pytest.approx(second, rel=1e-4, abs=1e-4) if isinstance(second, float) else second)


@linux
def test_only_rank_zero_prints_and_writes(alone: RunDirectory, together: tuple[RunDirectory, str]) -> None:
    run, output = together
    for line in ("run directory:", "race as labelled:", "steps per epoch", "epoch 1/6", "epoch 3/6", "all metrics:"):
        assert output.count(line) == 1, output
        assert (run.path / "log.txt").read_text().count(line) == 1
    assert not re.search("error:|Error|warn|sync_dist|before the ``update``", output), output
    names = [{str(p.relative_to(r.path)) for p in r.path.rglob("*") if "evaluation" not in p.parts} for r in (run, alone)]
    assert names[0] == names[1]


@linux
def test_ranks_of_torchrun_share_a_directory_and_the_run_resumes(
    settings: list[str], together: tuple[RunDirectory, str], tmp_path: Path, run_job: Any
) -> None:
    """torchrun trains one epoch; the plain command resumes with two processes."""
    output = run_job(tmp_path, *TORCHRUN, *settings, "loader.batch_size=4", "trainer.max_epochs=1")
    assert output.count("run directory:") == 1
    run = RunDirectory(only_run(tmp_path))
    assert (run.read_config()["trainer"]["devices"], run.read_config()["trainer"]["strategy"]) == (2, "ddp")
    output = run_job(tmp_path, "agegender.train", f"resume={run.path}", "trainer.max_epochs=6")
    assert output.count("continued from last.ckpt") == 1
    assert only_run(tmp_path) == run.path
    one, two = weights(run), weights(together[0])
    assert all(torch.equal(one[name], two[name]) for name in two)
    assert len(history(run)) == 3


@linux
def test_torchrun_on_two_machines_trains_what_one_machine_does(
    settings: list[str], together: tuple[RunDirectory, str], tmp_path: Path, start_job: Any
) -> None:
    """Two agents of torchrun, as on two machines; each starts one of the two ranks."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{probe.getsockname()[1]}"
    torchrun = ["torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d", "--rdzv-endpoint",
                endpoint, "-m", "agegender.train"]  # fmt: skip
    machines = ["trainer=ddp", "trainer.devices=1", "trainer.num_nodes=2"]
    agents = [start_job(tmp_path, *torchrun, *machines, *settings, "loader.batch_size=4") for _ in range(2)]
    outputs = [agent.output() for agent in agents]
    assert [agent.process.returncode for agent in agents] == [0, 0], outputs
    assert "".join(outputs).count("run directory:") == 1
    run = RunDirectory(only_run(tmp_path))
    trainer = run.read_config()["trainer"]
    assert (trainer["num_nodes"], trainer["devices"], trainer["strategy"]) == (2, 1, "ddp")
    one, two = weights(run), weights(together[0])
    assert all(torch.equal(one[name], two[name]) for name in two)


@linux
def test_a_run_of_two_processes_is_continued_by_one(
    settings: list[str], alone: RunDirectory, tmp_path: Path, run_job: Any
) -> None:
    run_job(tmp_path, *DDP, *settings, "loader.batch_size=4", "trainer.max_epochs=1", "test=false", "hydra.run.dir=run")
    run = RunDirectory(tmp_path / "run")
    changed = ["trainer.devices=1", "loader.batch_size=8", "trainer.max_epochs=6"]
    train(continued(run.read_config(), changed, run.path), run, resuming=True)
    assert_continues_as(alone, run)


@linux
def test_a_run_of_one_process_is_continued_by_two(
    settings: list[str], alone: RunDirectory, tmp_path: Path, run_job: Any
) -> None:
    run = RunDirectory(tmp_path / "run")
    train(compose([*settings, "loader.batch_size=8", "trainer.max_epochs=1", "test=false"]), run)
    run_job(tmp_path, "agegender.train", "resume=run", "trainer.devices=2", "loader.batch_size=4", "trainer.max_epochs=6")
    assert run.read_config()["trainer"]["devices"] == 2
    assert_continues_as(alone, run)


def assert_continues_as(whole: RunDirectory, run: RunDirectory) -> None:
    """The weights and the number of epochs are those of a run without interruption."""
    assert len(history(run)) == len(history(whole)) == 3
    one, other = weights(whole), weights(run)
    for name in one:
        torch.testing.assert_close(other[name], one[name], rtol=1e-3, atol=2e-5, msg=lambda text, name=name: f"{name}: {text}")


@linux
def test_two_processes_unfreeze_a_backbone_as_one_does(settings: list[str], tmp_path: Path, run_job: Any) -> None:
    """Two epochs use cached features; then some weights train for the first time, and others never do."""
    stages = ["finetune=two_stage", "finetune.two_stage.epochs=2", "finetune.two_stage.lr=0.02",
              "finetune.two_stage.weight_decay=0.1", "trainer.max_epochs=3", "test=false"]  # fmt: skip
    alone = RunDirectory(tmp_path / "alone")
    train(compose([*settings, *stages, "loader.batch_size=8"]), alone)
    stages += ["loader.batch_size=4", "loader.cache_dir=cache", "hydra.run.dir=together"]
    run_job(tmp_path, *DDP, *settings, *stages)
    assert len(list((tmp_path / "cache" / "features").glob("*.npy"))) == 2  # train and val, each computed by either process
    one, two = weights(alone), weights(RunDirectory(tmp_path / "together"))
    lightning.seed_everything(0, workers=True, verbose=False)
    untrained = AgeGenderModule(**read_checkpoint(alone.last)["hyper_parameters"]).state_dict()
    moved = {name for name in two if name.startswith("network.backbone") and not torch.equal(two[name], untrained[name])}
    last = ("network.backbone.net.blocks.5.", "network.backbone.net.norm.")
    assert len(moved) > 4 and all(name.startswith(last) for name in moved)
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-3, atol=2e-5, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize(
    ("trainer", "count"),
    [
        ({"devices": 1}, 1), ({"devices": 3}, 3), ({"devices": "2"}, 2), ({"devices": [1, 3]}, 2), ({"devices": "1,3"}, 2),
        ({"devices": "1,"}, 1), ({"devices": "auto", "accelerator": "cpu"}, 1), ({"devices": -1, "accelerator": "cpu"}, 1),
    ],
)  # fmt: skip
def test_devices_are_counted_as_lightning_counts_them(trainer: dict[str, Any], count: int) -> None:
    assert ranks.process_count(trainer) == count


@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        ({"devices": 1, "strategy": "ddp_spawn"}, r"strategy=ddp_spawn: allowed: auto, ddp"),
        (
            {"devices": 1, "num_nodes": 2},
            r"trainer.num_nodes=2: .*hydra/launcher=slurm, or torchrun --nnodes 2 on each machine",
        ),
        ({"devices": 2}, "torchrun"),
    ],
)
def test_unsupported_ways_to_start_processes_are_rejected(trainer: dict[str, Any], message: str) -> None:
    with pytest.raises(AgeGenderError, match=message):
        ranks.trainer_arguments(trainer)


@pytest.mark.parametrize("devices", ["auto", -1, "-1", 1])
def test_one_process_records_one_device(devices: Any) -> None:
    assert ranks.trainer_arguments({"devices": devices, "accelerator": "cpu"})["devices"] == 1


def test_numbers_of_processes_come_from_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "RANK": "5", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)
    assert (ranks.rank(), ranks.world_size()) == (5, 8)
    assert ranks.trainer_arguments({"devices": 1}) == {"devices": 4, "num_nodes": 2, "strategy": "ddp"}
    assert ranks.trainer_arguments({"devices": [0, 1, 2, 5]})["devices"] == [0, 1, 2, 5]
    assert ranks.trainer_arguments({"devices": "auto"})["devices"] == 4  # a number, which a resumed run compares
    with pytest.raises(AgeGenderError, match=r"trainer\.devices=3: the job was started with 4 processes on this machine"):
        ranks.trainer_arguments({"devices": 3})
    assert ranks.trainer_arguments({"devices": 4, "num_nodes": 2})["num_nodes"] == 2
    with pytest.raises(AgeGenderError, match=r"trainer\.num_nodes=3: the job was started on 2 machines"):
        ranks.trainer_arguments({"devices": 4, "num_nodes": 3})


def test_a_lost_connection_is_one_line_in_a_job_of_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(message: str) -> None:
        with ranks.one_line_if_connection_lost():
            raise RuntimeError(message)

    lost = "[gloo/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:1234\nException raised from readMore"
    with pytest.raises(RuntimeError, match="readMore"):  # of a single process: somebody else's connection
        fail(lost)
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "RANK": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(AgeGenderError, match=r"^process 1 lost the connection to another process .*closed by peer.*:1234\)$"):
        fail(lost)
    with pytest.raises(RuntimeError, match="shape"):
        fail("mat1 and mat2 shape mismatch")
