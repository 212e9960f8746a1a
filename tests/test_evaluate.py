"""The command and the function that test a model again: on its own faces, on others, and after mistakes."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from agegender.configuration.command import compose
from agegender.configuration.paths import CONF
from agegender.errors import AgeGenderError
from agegender.evaluate import evaluate, main
from agegender.models.checkpoint import load_network
from agegender.runs.run_directory import RunDirectory
from agegender.sources.crop import Crop
from agegender.sources.images import read
from agegender.train import train

TINY = ["image_size=16", "backbone.widths=[4,8]", "loader.batch_size=8", "trainer.max_epochs=1", "logger=none"]
QUICK = {"resamples": 100}


@pytest.fixture(scope="module")
def own_faces(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shutil.copytree(faces, tmp_path_factory.mktemp("own") / "faces")


@pytest.fixture(scope="module")
def trained(own_faces: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    directory = RunDirectory(tmp_path_factory.mktemp("trained") / "run")
    train(compose(["data=utkface", f"data.root={own_faces}", *TINY]), directory)
    return directory


@pytest.fixture
def run(trained: RunDirectory, tmp_path: Path) -> RunDirectory:
    """A copy, so that no test sees the evaluations of another."""
    return RunDirectory(shutil.copytree(trained.path, tmp_path / "run"))


def command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(CONF.parent)}
    return subprocess.run(
        [sys.executable, "-m", "agegender.evaluate", *arguments], capture_output=True, text=True, cwd=cwd, env=environment
    )


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import runpy, sys\n"
        "sys.argv = ['agegender.evaluate', '--help']\n"
        "heavy = {'torch', 'lightning', 'timm', 'albumentations', 'cv2', 'pandas', 'numpy', 'torchmetrics', 'matplotlib'}\n"
        "try:\n    runpy.run_module('agegender.evaluate', run_name='__main__')\nexcept SystemExit: pass\n"
        "sys.exit(f'imported {heavy & set(sys.modules)}' if heavy & set(sys.modules) else 0)"
    )
    environment = {**os.environ, "PYTHONPATH": str(CONF.parent)}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert result.returncode == 0, result.stderr
    assert "checkpoint=RUN_DIR" in result.stdout


def test_the_command_repeats_the_test_of_the_training(run: RunDirectory, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    result = command("checkpoint=../run", cwd=tmp_path / "elsewhere")
    assert result.returncode == 0, result.stderr
    own = run.evaluation("test")
    assert own.read_metrics()["test"] == run.read_metrics()["test"]
    assert "test split: 6 faces" in result.stdout and "appearance" in result.stdout
    assert f"all metrics: {Path('../run/evaluation/test/metrics.json')}" in result.stdout
    assert own.read_config() == run.read_config() and own.read_split() == run.read_split()
    assert own.predictions_picture.exists() and own.faces_picture.exists()
    assert f"report: {Path('../run/evaluation/test/report.html')}" in result.stdout
    assert "UTKFace" in own.model_card.read_text()
    assert not list((tmp_path / "elsewhere").iterdir())


def test_evaluating_twice_gives_the_same_files_and_faces_only_if_asked_for(run: RunDirectory) -> None:
    def files() -> dict[str, bytes]:
        folder = run.evaluation("test").path
        found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        shutil.rmtree(folder)
        return found

    evaluate(run, run.read_config(), "test", choices=QUICK)
    first = files()
    evaluate(run, run.read_config(), "test", choices=QUICK)
    assert files() == first
    assert b"<img" not in first["report.html"]
    evaluate(run, run.read_config(), "test", faces=True, choices=QUICK)
    assert b'id="grad-cam"' in files()["report.html"]
    evaluate(run, run.read_config(), "test", report="none", choices=QUICK)
    assert not {"report.html", "modelcard.md"} & files().keys()


def test_results_do_not_depend_on_processes_or_batches(run: RunDirectory, tmp_path: Path) -> None:
    own = run.evaluation("test")

    def evaluated(*arguments: str) -> dict[str, bytes]:
        result = command("checkpoint=run", "accelerator=cpu", "report=none", *arguments, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        assert result.stdout.count("test split: 6 faces") == 1
        return {file.name: file.read_bytes() for file in (own.metrics, own.groups, own.calibration, own.predictions)}

    evaluated()
    predicted = own.read_predictions()
    assert evaluated("devices=2", "batch_size=2") == evaluated("batch_size=2")
    other = own.read_predictions()
    assert predicted is not None and other is not None
    assert np.allclose(predicted["age_pred"], other["age_pred"], rtol=0, atol=1e-4)


def test_options_of_the_measures_are_followed(run: RunDirectory, tmp_path: Path) -> None:
    options = ["legal_age=[16]", "challenge_age=30", "target_rate=0.2", "minimum_group=2", "resamples=100", "mondrian=gender"]
    result = command("checkpoint=run", "report=none", *options, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    own = run.evaluation("test")
    metrics = own.read_metrics()["test"]
    assert list(metrics["age_gate"]["legal_ages"]) == ["16"] and metrics["age_gate"]["challenge_age"] == 30
    assert metrics["fairness"]["minimum"] == 2 and "probability_under_16" in pd.read_parquet(own.predictions)


def test_nothing_is_calibrated_on_the_split_that_selected_the_model(run: RunDirectory) -> None:
    evaluate(run, run.read_config(), "val", report="none")
    own = run.evaluation("val")
    assert "selected on these faces" in json.loads(own.calibration.read_text())["age"]["reason"]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("devices=0", "error: devices=0: expected an integer of at least 1"),
        ("resamples=10", "error: resamples=10: expected an integer of at least 100"),
        ("legal_age=[0]", r"error: legal_age=\[0\]: expected one or more integers from 1 to 100"),
        ("target_rate=1.0", "error: target_rate=1.0: expected a number between 0 and 1"),
        ("mondrian=race", "error: mondrian=race: expected gender, age_band or null"),
        ("part=x", "error: part=x: expected train, val or test"),
        ("batch_size=x", "error: batch_size=x: expected"),
        ("accelerator=foo", "error: accelerator=foo: expected"),
        ("age_range=5", "error: age_range=5: expected"),
        ("seed=-1", "error: seed=-1: expected"),
        ("batch_size=0", "error: batch_size=0: expected"),
        ("seed=3", "error: seed=3: applies to other faces"),
        ("accelerator=gpu", "error: trainer: .*gpu"),
        ("root=/nowhere", "error: .*data.root"),
        ("checkpoint=/nowhere", "error: /nowhere: not a run directory"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(override: str, expected: str, trained: RunDirectory, tmp_path: Path) -> None:
    if override == "accelerator=gpu" and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    arguments = [override] if override.startswith("checkpoint") else [f"checkpoint={trained.path}", override]
    result = command(*arguments, cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and re.match(expected, lines[0]), result.stderr
    assert not (trained.path / "evaluation").exists()


def test_a_relative_path_is_recorded_as_an_absolute_one(run: RunDirectory, own_faces: Path, tmp_path: Path) -> None:
    shutil.copytree(own_faces, tmp_path / "faces")
    result = command("checkpoint=run", "root=faces", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert run.evaluation("test").read_config()["data"]["sources"]["utkface"]["root"] == str(tmp_path / "faces")


def test_changed_faces_are_not_tested(run: RunDirectory, own_faces: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(own_faces, tmp_path / "moved")
    config = run.read_config()
    config["data"]["sources"]["utkface"]["root"] = str(moved)
    assert evaluate(run, config, "test")["test"] == run.read_metrics()["test"]
    changed = sorted(moved.iterdir())[20]
    changed.write_bytes(changed.read_bytes() + b"behind the end marker")
    with pytest.raises(AgeGenderError, match=f"the content of 1 images differs .* for example utkface/{changed.name}"):
        evaluate(run, config, "test")
    changed.unlink()
    with pytest.raises(AgeGenderError, match="faces differ"):
        evaluate(run, config, "test")


def test_a_run_of_an_earlier_version_is_tested_with_a_warning(run: RunDirectory, caplog: pytest.LogCaptureFixture) -> None:
    rows = [line.rpartition(",")[0] for line in run.read_split().splitlines()]
    run.write_split("\n".join([*rows, ""]))
    assert evaluate(run, run.read_config(), "test", choices=QUICK)["split"] == run.read_metrics()["split"]
    assert "has no content hashes" in caplog.text


def test_a_split_without_faces_is_named(run: RunDirectory) -> None:
    config = run.read_config()
    config["split"]["fractions"] = [0.8, 0.2, 0.0]
    with pytest.raises(AgeGenderError, match=r"part=test: the split .* has no such faces"):
        evaluate(run, config, "test")


def test_a_model_is_tested_on_other_faces_but_not_on_those_it_learned_from(
    run: RunDirectory, make_utkface: Callable[..., Path], tmp_path: Path
) -> None:
    config = run.read_config()
    config["data"]["sources"]["utkface"]["root"] = str(make_utkface(tmp_path / "others", 30, seed=7))
    config["data"]["sources"]["utkface"]["name"] = "others"
    metrics = evaluate(run, config, "test", others=True)
    assert metrics["test"]["n"] == 3
    name = f"others-test-{metrics['split']['content_sha256'][:8]}"
    assert run.evaluation(name).read_metrics() == metrics
    config["split"]["fractions"] = [0.0, 0.0, 1.0]
    assert evaluate(run, config, "test", others=True)["test"]["n"] == 30
    own = run.read_config()
    own["split"]["seed"] = 5
    own["data"]["sources"]["utkface"]["name"] = "under_another_name"
    with pytest.raises(AgeGenderError, match="train or val split"):
        evaluate(run, own, "test", others=True)


def write_oblong(root: Path, count: int) -> Path:
    """Faces named as those of UTKFace, in the middle of images that are taller than wide."""
    root.mkdir()
    generator = np.random.default_rng(11)
    for number in range(count):
        image = generator.integers(0, 256, (32, 24, 3), dtype=np.uint8)
        cv2.imwrite(str(root / f"{10 + number}_{number % 2}_0_{20190101000000000 + number}.jpg.chip.jpg"), image)
    return root


def test_other_faces_are_cropped_as_those_of_the_training(run: RunDirectory, tmp_path: Path) -> None:
    root = write_oblong(tmp_path / "oblong", 12)
    other = ["data=utkface", f"data.root={root}", "split=all_test", "accelerator=cpu"]

    def tested(*overrides: str) -> tuple[RunDirectory, str]:
        before = set(run.evaluation("x").path.parent.glob("*"))
        done = command(f"checkpoint={run.path}", *other, *overrides, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        (folder,) = set(run.evaluation("x").path.parent.glob("*")) - before
        return RunDirectory(folder), done.stdout + done.stderr

    def expected(crop: Crop) -> list[float]:
        trained = load_network(run.best)
        images = np.stack([crop(read(file), trained.image_size) for file in sorted(root.iterdir())])
        with torch.no_grad():
            return trained.network.estimate(trained.network(torch.from_numpy(images).permute(0, 3, 1, 2)))["age"].tolist()

    for overrides, crop, warned in (
        ((), Crop(), False),
        (("data.crop_scale=0.8",), Crop(scale=0.8), True),
        (("data.fit=stretch",), Crop("stretch"), True),
    ):
        out, text = tested(*overrides)
        predictions = out.read_predictions()
        assert predictions is not None and predictions["age_pred"].tolist() == pytest.approx(expected(crop), rel=1e-4)
        own = {"n": 12, "n_not_square": 12, "fit": crop.fit, "crop_scale": crop.scale, "outside": "reflect"}
        assert out.read_metrics()["images"] == {"utkface": own}
        assert "12 of 12 images are not square" in text
        assert ("the model was trained with data.fit=crop data.crop_scale=1" in text) == warned
        assert ("are stretched, which changes the shape" in text) == (crop.fit == "stretch")
        settings = out.read_config()["data"]
        assert (settings["fit"], settings["crop_scale"], settings["outside"]) == (crop.fit, crop.scale, "reflect")


def test_re_encoded_training_faces_are_excluded_and_counted(
    run: RunDirectory, own_faces: Path, make_utkface: Callable[..., Path], tmp_path: Path
) -> None:
    root = make_utkface(tmp_path / "others", 10, seed=7)
    new = {file.name for file in root.iterdir()}
    learned = [row.split(",")[1] for row in run.read_split().splitlines() if ",train," in row][:6]
    for number, name in enumerate(learned):
        target = root / name.replace("_2017", "_2019")
        if number < 2:
            shutil.copy(own_faces / name, target)
        else:
            cv2.imwrite(str(target), cv2.imread(str(own_faces / name)), [cv2.IMWRITE_JPEG_QUALITY, 94])
    command_line = ["data=utkface", f"data.root={root}", "split=all_test", "accelerator=cpu"]
    refused = command(f"checkpoint={run.path}", *command_line, cwd=tmp_path)
    assert refused.returncode == 2 and "(2 byte-identical, 4 near-identical)" in refused.stderr
    assert not run.evaluation("test").path.parent.exists()
    tested = command(f"checkpoint={run.path}", *command_line, "seen=exclude", cwd=tmp_path)
    assert tested.returncode == 0, tested.stderr
    (folder,) = run.evaluation("test").path.parent.iterdir()
    out = RunDirectory(folder)
    assert out.read_metrics()["excluded"] == {"byte_identical": 2, "near_identical": 4}
    predictions = out.read_predictions()
    assert predictions is not None and set(predictions["path"]) == new
    assert out.read_split().count("\n") == 11 and out.read_metrics()["test"]["n"] == 10


def test_several_datasets_are_tested_at_once_and_copies_of_training_faces_are_excluded(
    run: RunDirectory, own_faces: Path, make_utkface: Callable[..., Path], tmp_path: Path
) -> None:
    exact = make_utkface(tmp_path / "exact", 8, seed=7)
    learned = [row.split(",")[1] for row in run.read_split().splitlines() if ",train," in row][:2]
    for name in learned:
        shutil.copy(own_faces / name, exact)
    people = tmp_path / "people"
    people.mkdir()
    for number, file in enumerate(sorted(make_utkface(tmp_path / "more", 5, seed=8).iterdir())):
        shutil.copy(file, people / f"{number}_Person{number}_{20 + number}_m.jpg")
    across = [f"across={{utkface:{exact},agedb:{people}}}", "split=all_test", "accelerator=cpu", "report=none"]
    refused = command(f"checkpoint={run.path}", *across, cwd=tmp_path)
    assert refused.returncode == 2 and "2 of 15 faces are copies" in refused.stderr
    tested = command(f"checkpoint={run.path}", *across, "seen=exclude", cwd=tmp_path)
    assert tested.returncode == 0, tested.stderr
    (folder,) = run.evaluation("test").path.parent.iterdir()
    assert folder.name.startswith("utkface-agedb-test-")
    metrics = RunDirectory(folder).read_metrics()
    assert metrics["excluded"] == {"byte_identical": 2, "near_identical": 0, "by_dataset": {"utkface": 2, "agedb": 0}}
    assert {name: own["n"] for name, own in metrics["test"]["by_dataset"].items()} == {"utkface": 8, "agedb": 5}
    assert "of these 8 faces of utkface" in tested.stdout and "of these 5 faces of agedb" in tested.stdout


def test_a_benchmark_is_tested_on_all_its_databases_that_are_there(
    run: RunDirectory, facebase: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmark = facebase / "UTKFace.yaml"
    data = ["data=facebase", f"data.root={facebase}", f"data.database={benchmark}", "split=facebase"]
    arguments = [
        f"checkpoint={run.path}",
        *data,
        f"split.benchmark={benchmark}",
        "split.number=3",
        "report=none",
        "resamples=100",
    ]
    monkeypatch.setattr(sys, "argv", ["evaluate", *arguments])
    main()
    [folder] = run.path.glob("evaluation/UTKFace-FG-Net-test-*")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert {name: one["n"] for name, one in metrics["test"]["by_dataset"].items()} == {"UTKFace": 12, "FG-Net": 20}
    assert metrics["split"]["name"] == "benchmark UTKFace, split 3 of 5"
    shown = capsys.readouterr().out
    assert "note: databases of the benchmark that are not read: MORPH" in shown
    assert "of these 12 faces of UTKFace\n  age     MAE" in shown and "of these 20 faces of FG-Net\n  age     MAE" in shown


def test_views_and_robustness_are_measured_and_remembered(run: RunDirectory, tmp_path: Path) -> None:
    options = ["accelerator=cpu", "views=flip", "robustness=true", "crop_curve=4", "report=none", "explain=3", "faces=true"]
    result = command(f"checkpoint={run.path}", *options, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    own = run.evaluation("test-flip")
    metrics = own.read_metrics()
    assert metrics["views"] == "flip" and run.read_metrics()["views"] == "one" and own.read_config()["views"] == "flip"
    assert metrics["test"]["age_mae"] != run.read_metrics()["test"]["age_mae"]
    assert metrics["explanation"]["n"] == 3 and 0 < metrics["explanation"]["age"]["occlusion"]["face_share"] < 1
    assert own.explanation_age.exists() and own.explanation_gender.exists()
    robustness = metrics["robustness"]
    assert robustness["clean"]["age_mae"] == metrics["test"]["age_mae"]
    flipped = robustness["corruptions"]["flip"]["values"]["age_mae"][0]
    assert flipped == pytest.approx(metrics["test"]["age_mae"], rel=1e-5)  # the mean over both views is the same
    assert robustness["corruptions"]["brighter"]["values"]["age_mae"][-1] != metrics["test"]["age_mae"]
    assert metrics["crop_curve"]["utkface"]["n"] == 4 and len(pd.read_csv(own.crop_curve)) == 11
    assert "crop curve of utkface (4 faces): " in result.stdout
    before = own.robustness.read_bytes()
    assert command(f"checkpoint={run.path}", *options, "batch_size=3", cwd=tmp_path).returncode == 0
    again = [[float(cell) for cell in line.split(",")[4:8]] for line in own.robustness.read_text().splitlines()[1:]]
    first = [[float(cell) for cell in line.split(",")[4:8]] for line in before.decode().splitlines()[1:]]
    assert again == [pytest.approx(row, rel=1e-4) for row in first]
