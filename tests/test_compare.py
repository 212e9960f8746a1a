"""The command on trained runs, and on mistakes."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from agegender.compare import main
from agegender.configuration.command import compose
from agegender.configuration.paths import CONF
from agegender.configuration.schema import validate
from agegender.runs.run_directory import RunDirectory
from agegender.train import train

TINY = ["image_size=16", "loader.batch_size=8", "trainer.max_epochs=1", "backbone.widths=[4,8]", "logger=none"]
PROTOCOL = "{data: [utkface], image_size: 224, n: {test: 3556}}"
PAPER = f"paper={{title: T, metrics: {{test: {{age_class_accuracy: 0.72, age_mae: 4}}}}, protocol: {PROTOCOL}}}"


@pytest.fixture(scope="module")
def runs(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep: two seeds of one model, another model, the same on another split, and one that was never tested."""
    folder = tmp_path_factory.mktemp("runs")
    jobs = {
        "0": ["seed=0", "split.seed=0"],
        "1": ["seed=1", "split.seed=0"],
        "2": ["split.seed=0", "head=age_bins", "head.edges=[0,26,51,76]", "head.readout=bin", "name=four", PAPER],
        "3": ["split.seed=5", "tasks=[age]"],
        "4": ["split.seed=0", "test=false", "trainer.max_epochs=1"],
    }
    for name, overrides in jobs.items():
        config = compose(["data=utkface", f"data.root={faces}", *TINY, *overrides])
        validate(config)
        train(config, RunDirectory(folder / "sweep" / name))
    RunDirectory(folder / "sweep" / "4").metrics.unlink()
    return folder / "sweep"


def command(*arguments: str, cwd: Path, code: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(CONF.parent)}
    start = ["-c", code] if code else ["-m", "agegender.compare"]
    return subprocess.run([sys.executable, *start, *arguments], capture_output=True, text=True, cwd=cwd, env=environment)


def test_a_sweep_is_compared_measured_drawn_and_written(runs: Path, tmp_path: Path) -> None:
    result = command(str(runs), "--out", "out", "--gradcam", "3", "--measure", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    out = result.stdout
    assert "Table 1: 6 test faces" in out and "do not rank across tables" in out
    assert "Left out" in out and f"{runs / '4'}: not tested" in out
    assert "age class accuracy: of the predicted age; classes: up to 25, 26-50, 51-75, 76 and over." in out
    assert "image_size 224, ours 16" in out and "7.2 to 7.4" in out
    folder = tmp_path / "out"
    assert {path.name for path in folder.iterdir()} == {
        "comparison.md", "comparison.html", "comparison.csv", "differences.csv",
        "curves-1.png", "curves-2.png", "gradcam-1.png", "gradcam-2.png",
    }  # fmt: skip
    with (folder / "comparison.csv").open() as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    seeds = next(row for row in rows.values() if row["seeds"] == "2")
    recorded = [json.loads((runs / name / "metrics.json").read_text()) for name in "01"]
    assert float(seeds["age_mae"]) == pytest.approx(sum(one["test"]["age_mae"] for one in recorded) / 2)
    assert seeds["split_sha256"] == recorded[0]["split"]["sha256"]
    four = json.loads((runs / "2" / "metrics.json").read_text())
    assert float(rows["four"]["age_class_accuracy"]) == pytest.approx(four["test"]["age_class_accuracy"])
    assert (rows["four"]["protocol"], rows["four"]["paper_test_age_mae"]) == ("≠", "4")
    weights = 9 * 3 * 4 + 2 * 4 + 9 * 4 * 8 + 2 * 8 + (8 + 1) * 4 + (8 + 1) * 2  # four age classes, two genders
    assert int(rows["four"]["parameters"]) == int(rows["four"]["trainable"]) == weights
    assert float(seeds["latency_ms"]) > 0
    with (folder / "differences.csv").open() as file:
        pairs = list(csv.DictReader(file))
    assert {"age_mae", "gender_accuracy", "age_class_accuracy"} <= {pair["metric"] for pair in pairs}
    assert {pair["table"] for pair in pairs} == {"1"}  # the other split has one model only
    assert (folder / "comparison.html").read_text().count("data:image/png;base64,") == 4


def test_recorded_costs_are_kept_and_missing_ones_are_measured_on_request(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(runs / "0", tmp_path / "run")
    (tmp_path / "run" / "model.json").unlink()
    shown = {}
    for name, arguments in {
        "recorded": [runs / "0"],
        "old": [tmp_path / "run"],
        "asked": [tmp_path / "run", "--measure"],
    }.items():
        main([str(argument) for argument in arguments])
        shown[name] = capsys.readouterr().out
    assert "parameters" in shown["recorded"] and "FLOPs  " in shown["recorded"] and "latency" not in shown["recorded"]
    assert "parameters" not in shown["old"]
    assert "parameters" in shown["asked"] and "latency" in shown["asked"]


def test_neither_help_nor_a_comparison_imports_torch(runs: Path, tmp_path: Path) -> None:
    code = (
        "import runpy, sys\n"
        "heavy = {'torch', 'lightning', 'timm', 'albumentations', 'torchmetrics'}%s\n"
        "try:\n    runpy.run_module('agegender.compare', run_name='__main__')\nexcept SystemExit: pass\n"
        "sys.exit(f'imported {heavy & set(sys.modules)}' if heavy & set(sys.modules) else 0)"
    )
    compared = command(str(runs), "--out", "out", cwd=tmp_path, code=code % "")
    assert compared.returncode == 0 and "test faces" in compared.stdout, compared.stderr
    helped = command("--help", cwd=tmp_path, code=code % " | {'pandas', 'numpy', 'matplotlib'}")
    assert helped.returncode == 0 and "RUN_OR_SWEEP_DIR" in helped.stdout, helped.stderr


def test_gender_maps_are_drawn_only_for_models_with_a_gender_task(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([str(runs / "0"), str(runs / "2"), "--out", str(tmp_path), "--gradcam", "2", "--task", "gender"])
    assert (tmp_path / "gradcam-1.png").exists()
    main([str(runs / "3"), "--out", str(tmp_path), "--gradcam", "2", "--task", "gender"])
    assert "No Grad-CAM of 3: --task gender: it has no such task" in capsys.readouterr().out
    assert not (tmp_path / "gradcam-1.png").exists()  # nor that of the comparison before
    assert "--task gender" in (tmp_path / "comparison.md").read_text()


def test_without_the_image_files_only_the_maps_are_missing(
    runs: Path, faces: Path, make_utkface: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_utkface(tmp_path / "moved", 1, seed=3)
    shutil.copytree(runs / "0", tmp_path / "run")
    config = tmp_path / "run" / "config.yaml"
    config.write_text(config.read_text().replace(str(faces), str(root)))
    main([str(tmp_path / "run"), "--out", str(tmp_path / "out"), "--gradcam", "2"])
    assert "No Grad-CAM: " in capsys.readouterr().out
    assert (tmp_path / "out" / "comparison.md").exists() and not (tmp_path / "out" / "gradcam-1.png").exists()


def test_a_damaged_run_is_left_out_and_named(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(runs / "0", tmp_path / "runs" / "good")
    shutil.copytree(runs / "0", tmp_path / "runs" / "bad")
    shutil.copytree(runs / "0", tmp_path / "runs" / "copy")
    frame = pd.read_parquet(tmp_path / "runs" / "bad" / "predictions.parquet")
    frame.iloc[:-1].to_parquet(tmp_path / "runs" / "bad" / "predictions.parquet")
    main([str(tmp_path / "runs")])
    out = capsys.readouterr().out
    assert "bad: predictions.parquet holds 5 test faces" in out
    assert "good: repeats" in out


def test_without_a_checkpoint_only_the_cells_of_that_model_are_missing(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "02":
        shutil.copytree(runs / name, tmp_path / "runs" / name)
        (tmp_path / "runs" / name / "model.json").unlink()
    (tmp_path / "runs" / "0" / "checkpoints" / "best.ckpt").write_text("damaged")
    out = tmp_path / "out"
    main([str(tmp_path / "runs"), "--measure", "--gradcam", "2", "--out", str(out)])
    shown = capsys.readouterr().out
    assert f"{tmp_path / 'runs' / '0'}: not measured: " in shown and "No Grad-CAM of " in shown
    with (out / "comparison.csv").open() as file:
        assert sorted(bool(row["latency_ms"]) for row in csv.DictReader(file)) == [False, True]
    assert (out / "gradcam-1.png").exists() and "No Grad-CAM of " in (out / "comparison.html").read_text()


def test_the_trained_weights_of_an_old_run_with_a_frozen_backbone_are_counted(
    runs: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(runs / "0", tmp_path / "run")
    (tmp_path / "run" / "model.json").unlink()
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    config["finetune"] = {"frozen": {"_target_": "agegender.training.finetuning.stages.Frozen", "views": None}}
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(config))
    main([str(tmp_path / "run"), "--measure", "--out", str(tmp_path / "out")])
    with (tmp_path / "out" / "comparison.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert int(row["parameters"]) - int(row["trainable"]) == 9 * 3 * 4 + 2 * 4 + 9 * 4 * 8 + 2 * 8  # the backbone's


def test_an_evaluation_on_other_faces_is_compared_and_drawn(
    runs: Path, make_utkface: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(runs / "0", tmp_path / "0")
    root = make_utkface(tmp_path / "others", 40, seed=9)
    code = "from agegender.evaluate import main; main()"
    arguments = [f"checkpoint={tmp_path / '0'}", "data=utkface", f"data.root={root}"]
    evaluated = command(*arguments, cwd=tmp_path, code=code)
    assert evaluated.returncode == 0, evaluated.stderr
    (folder,) = (tmp_path / "0" / "evaluation").iterdir()
    main([str(tmp_path / "0"), str(folder), "--gradcam", "2", "--out", str(tmp_path / "out")])
    shown = capsys.readouterr().out
    metrics = json.loads((folder / "metrics.json").read_text())["test"]
    assert "Table 1: 6 test faces" in shown and f"Table 2: {metrics['n']} test faces of utkface" in shown
    assert f"{metrics['age_mae']:.2f}" in shown and f"root={root.parent.name}/others" in shown
    assert (tmp_path / "out" / "gradcam-2.png").exists()


def test_terminals_without_unicode_and_closed_pipes(runs: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(CONF.parent), "PYTHONIOENCODING": "ascii"}
    start = f"{sys.executable} -m agegender.compare {runs}"
    plain = subprocess.run(start, shell=True, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert plain.returncode == 0 and "+-" in plain.stdout and "four !=" in plain.stdout, plain.stderr
    left = subprocess.run(f"{start} | head -1", shell=True, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert "Table 1" in left.stdout and left.stderr == ""


def test_a_log_among_the_runs_is_left_out(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "train.log").write_text("")
    main([str(runs / "0"), str(tmp_path / "train.log")])
    assert f"{tmp_path / 'train.log'}: a file, not a run directory" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: does not exist"),
        (["{runs}/4"], "nothing to compare:"),
        (["{runs}/0", "--gradcam", "3"], "--out DIR"),
        (["{runs}/0", "--gradcam", "-1", "--out", "x"], "at least 1"),
        (["{runs}/0", "--out", "{runs}/0/config.yaml"], "not a folder"),
        (["{runs}/0", "--classes", "26,0"], "increasing integers"),
        (["{runs}/0", "--classes", "young,old"], "--classes"),
        ([], "RUN_OR_SWEEP_DIR"),
    ],
)
def test_a_mistake_is_one_message_and_status_2(
    arguments: list[str], message: str, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([argument.format(runs=runs) for argument in arguments])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
