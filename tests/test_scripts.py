"""The scripts run, each at its smallest size, and print their results."""

import itertools
import json
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from agegender.inference.faces import DetectedFace
from agegender.runs.run_directory import RunDirectory
from agegender.train import train

PROJECT = Path(__file__).parents[1]


def run(script: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, PROJECT / "scripts" / script, *arguments],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


Rows = list[dict[str, Any]]


def tables_of(script: str, folder: Path, *arguments: str) -> dict[str, Rows]:
    """The tables that a benchmark writes, after a check that it prints the same."""
    printed = run(script, *arguments, f"--json={folder / 'tables.json'}")
    written = json.loads((folder / "tables.json").read_text())
    assert written["command"].startswith("python ") and script in written["command"]
    assert written["machine"]["cores"] >= 1
    lines = [line.split("  ") for line in printed.splitlines()]
    for table in written["tables"].values():
        at = printed.splitlines().index(table["title"])
        assert [cell.strip() for cell in lines[at + 1] if cell.strip()] == list(table["rows"][0])
        assert len(table["rows"]) == len(list(itertools.takewhile(lambda line: line != [""], lines[at + 2 :])))
    return {name: table["rows"] for name, table in written["tables"].items()}


def same_but_the_side(rows: Rows) -> dict[str, Any]:
    """The work that both sides of a comparison did."""
    first, *others = ({key: value for key, value in row.items() if key != "side"} for row in rows)
    assert others and all(other == first for other in others), rows
    return first


def test_both_sides_of_the_training_benchmark_train_on_the_same_pixels_to_the_same_weights(tmp_path: Path) -> None:
    settings = ["--faces=80", "--rounds=1", "--image-size=32", "backbone.widths=[4,8]"]
    tables = tables_of("benchmark_training.py", tmp_path, *settings)
    assert {row["side"] for row in tables["overhead"]} == {"plain loop", "agegender.train", "added by agegender.train"}
    tiny = same_but_the_side(tables["overhead_work"])
    assert (tiny["faces"], tiny["pixels"]) == (64, 64 * 16**2)
    chosen = same_but_the_side(tables["loading_work"])
    assert (chosen["faces"], chosen["pixels"]) == (64, 64 * 32**2)
    assert tiny["images"] != chosen["images"]
    assert {row["side"]: row["speed by CPU time"] for row in tables["loading"]}["batches in memory"] == 1


def test_all_sides_of_the_loading_benchmark_load_the_same_pixels(tmp_path: Path) -> None:
    settings = ["--faces=8", "--size=32", "--batch-size=4", "--rounds=1", "--augment=geometric", "--workers", "0", "1"]
    tables = tables_of("benchmark_loading.py", tmp_path, *settings)
    work = {row["side"]: (row["faces"], row["pixels"]) for row in tables["work"]}
    for kind in ("not augmented", "augmented here", "albumentations"):
        assert work[f"files {kind}"] == work[f"cache {kind}"] and work[f"files {kind}"][0] == 8
    assert len(set(work.values())) == 3
    loaders = same_but_the_side(tables["loader_work"])
    assert (loaders["faces"], loaders["pixels"]) == work["cache augmented here"]
    assert [row["side"] for row in tables["loaders"]] == ["0 workers", "1 workers", "1 workers, PyTorch"]
    assert [row["workers"] > 0 for row in tables["loaders"]] == [False, True, True]
    assert [row["side"] for row in tables["features"]] == ["0 workers", "1 workers"]
    assert all(row["times files, albumentations"] > 0 for row in tables["one_core"])
    assert [row["side"] for row in tables["boxes"]] == ["whole image", "box", "rotated box"]
    assert tables["boxes"][0]["times whole image"] == 1


def test_both_sides_of_the_benchmark_of_a_frozen_backbone_train_the_same_heads(tmp_path: Path) -> None:
    settings = ["--faces=40", "--epochs=2", "--backbone=custom_cnn", "--image-size=16"]
    tables = tables_of("benchmark_frozen.py", tmp_path, *settings)
    work = same_but_the_side(tables["work"])
    assert (work["faces"], work["epochs"]) == (40, 2)
    [heads] = tables["heads"]
    assert 0 <= heads["largest difference"] <= 0.01 * heads["largest"]
    slow, fast = tables["frozen"]
    assert slow["times faster"] == 1 and fast["times faster"] == pytest.approx(slow["CPU s"] / fast["CPU s"])
    assert all(0 < row["CPU s"] < row["CPU s of the run"] for row in (slow, fast))


def test_the_benchmark_of_validation_predicts_the_same_ages_in_each_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(PROJECT / "scripts")
    import benchmark_validation

    settings = ["--backbone=custom_cnn", "--image-size=16", "--faces=10", "--batch-size=4", "--batches", "10", "--rounds=1"]
    monkeypatch.setattr("sys.argv", ["benchmark_validation.py", *settings, f"--json={tmp_path / 'table.json'}"])
    benchmark_validation.main()
    rows = json.loads((tmp_path / "table.json").read_text())["tables"]["validation"]["rows"]
    years = {row["side"]: row["years"] for row in rows}
    assert list(years) == ["as a training validates", "inference mode", "bf16", "batches of 10", "training steps"]
    assert years["as a training validates"] == years["inference mode"] == 0 < years["bf16"] < 1  # bfloat16 rounds
    assert years["batches of 10"] < 1e-3 and years["training steps"] is None
    assert rows[0]["speed"] == 1 and all(row["CPU ms a face"] > 0 for row in rows)


def test_the_benchmark_of_growth_prepares_and_trains_on_the_faces_that_it_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(PROJECT / "scripts")
    from benchmark_growth import prepare, train

    prepared = prepare(tmp_path, 60)
    assert prepared["work"] == {"faces": 60, "copies found": 6, "in splits": 60}
    assert {"scan", "later scan", "near copies", "split"} < set(prepared["seconds"])
    trained = train(tmp_path)
    assert 30 < trained["faces"] < 60 and trained["seconds"] > 0 and trained["memory"] > 0


def test_the_benchmark_of_growth_prints_a_row_before_it_measures_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(PROJECT / "scripts")
    import benchmark_growth

    printed = []

    def measured(threads: int, work: Any, folder: Path, *count: int) -> dict[str, Any]:
        printed.append(capsys.readouterr().out)
        if count:
            return {"seconds": {"scan": 2.0}, "memory": 5.0, "work": {"faces": count[0]}}
        return {"seconds": 1.0, "start": 3.0, "memory": 7.0, "faces": 100}

    monkeypatch.setattr(benchmark_growth, "alone", measured)
    monkeypatch.setattr("sys.argv", ["benchmark_growth.py", "--faces", "1000", "2000", f"--json={tmp_path / 'growth.json'}"])
    benchmark_growth.main()
    assert printed[0] == "" and "faces 1,000, scan 2,000, training 10,000" in printed[2]
    tables = json.loads((tmp_path / "growth.json").read_text())["tables"]
    assert [row["scan"] for row in tables["time"]["rows"]] == [2000, 1000]


def test_the_benchmark_of_a_step_trains_each_way_to_the_same_loss(tmp_path: Path) -> None:
    ways = ["plain", "default", "bf16"]
    settings = ["--image-size=16", "--batch-size=4", "--rounds=1", "--steps=1", "--ways", *ways]
    rows = tables_of("benchmark_step.py", tmp_path, *settings)["step"]
    assert [row["way"] for row in rows] == ways and rows[0]["speed by plain"] == 1
    plain, default, bf16 = (row["loss"] for row in rows)
    assert default == pytest.approx(plain, rel=1e-4)
    assert bf16 == pytest.approx(plain, rel=0.05) and bf16 != plain  # bfloat16 rounds


def test_the_recipe_and_the_plain_script_train_on_the_same_faces(faces: Path, tmp_path: Path) -> None:
    settings = [
        f"--root={faces}",
        "--size=32",
        "--batch-size=16",
        "--epochs",
        "1",
        "1",
        "--maes",
        "1000",
        f"--out={tmp_path / 'runs'}",
    ]
    tables = tables_of("benchmark_accuracy.py", tmp_path, *settings)
    work = same_but_the_side(tables["work"])
    assert work["train faces"] > work["val faces"] > 0
    assert [(row["side"], row["epoch"]) for row in tables["epochs"]] == [("recipe", 1), ("plain", 1)]
    maes = [row["MAE"] for row in tables["epochs"]]
    first, own = tables["times"]
    assert first["times plain"] == first["plain, CPU min"] / first["recipe, CPU min"]
    assert own["MAE"] == maes[1] and (own["recipe, min"] is None) == (maes[0] > maes[1])


def test_a_benchmark_ends_if_its_sides_did_different_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(PROJECT / "scripts")
    from measurements import require_same_work

    require_same_work([{"side": "one", "faces": 3}, {"side": "other", "faces": 3}])
    with pytest.raises(SystemExit, match="different work"):
        require_same_work([{"side": "one", "faces": 3}, {"side": "other", "faces": 4}])


def test_the_benchmark_of_a_search_measures_at_powers_of_ten_and_at_the_end(tmp_path: Path) -> None:
    tables = tables_of("benchmark_search.py", tmp_path, "--trials=110", "--parallel=20")
    assert [row["trials"] for row in tables["search"]] == [100, 110]
    assert all(row["s an ask"] > 0 and row["KB a trial"] > 0 for row in tables["search"])


def test_the_benchmark_of_an_evaluation_resamples_and_analyses(tmp_path: Path) -> None:
    tables = tables_of("benchmark_evaluation.py", tmp_path, "--faces=200", "--groups=3", "--resamples=100", "--tables", "100")
    assert [(row["faces"], row["groups"], row["resamples"]) for row in tables["bootstrap"]] == [(200, 3, 100)]
    assert [row["faces"] for row in tables["analysis"]] == [100] and tables["analysis"][0]["rows of groups.csv"] > 0


def test_the_benchmark_of_a_report_measures_its_files(tmp_path: Path) -> None:
    tables = tables_of("benchmark_report.py", tmp_path, "--faces", "200")
    assert [(row["faces"], row["page, kB"] > 0, row["figures, kB"] > 0) for row in tables["report"]] == [(200, True, True)]


def test_the_benchmark_of_latency_compares_ways_that_estimate_the_same(tmp_path: Path) -> None:
    settings = ["--backbones=custom_cnn:32", "--batches=2", "--threads=1", "--rounds=1"]
    tables = tables_of("benchmark_latency.py", tmp_path, *settings, "--ways", "eager", "channels_last", "onnxruntime", "int8")
    [row] = tables["latency"]
    assert (row["backbone"], row["px"], row["batch"], row["threads"]) == ("custom_cnn", 32, 2, 1)
    assert min(row[way] for way in ("eager", "channels_last", "onnxruntime", "int8", "onnxruntime is faster by")) > 0
    [added] = tables["predictor"]
    assert added["session ms"] > 0 and added["its CPU s"] > 0


def test_javascript_predicts_the_same_numbers(bundle: Path, faces: Path, tmp_path: Path) -> None:
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node.js is not installed (apt-get install nodejs npm)")
    images = []
    for file in sorted(faces.glob("*.jpg"))[:3]:
        images.append(str(tmp_path / f"{len(images)}.png"))
        cv2.imwrite(images[-1], cv2.resize(cv2.imread(str(file)), (32, 32)))
    folder = shutil.copytree(PROJECT / "scripts" / "predict_with_node", tmp_path / "node")
    done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit"], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"npm cannot install onnxruntime-node: {done.stderr[-200:]}")
    done = subprocess.run(["node", "predict.mjs", str(bundle), *images], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = run("predict_with_numpy.py", str(bundle), *images)
    for one, other in zip(map(json.loads, done.stdout.splitlines()), map(json.loads, expected.splitlines()), strict=True):
        assert one["path"] == other["path"]
        assert one["age"] == pytest.approx(other["age"], abs=1e-3)
        assert one["probability_female"] == pytest.approx(other["probability_female"], abs=1e-4)


def test_the_benchmark_of_the_server_counts_every_answer(bundle: Path, faces: Path, tmp_path: Path) -> None:
    options = ["--requests=30", "--parallel", "2", "4", "--model", str(bundle)]
    tables = tables_of("benchmark_serve.py", tmp_path, str(faces), *options)
    assert [(row["at once"], row["requests"]) for row in tables["serve"]] == [(2, 30), (4, 30)]
    assert all(row["longest, ms"] >= row["99%, ms"] >= row["median, ms"] > 0 for row in tables["serve"])
    assert all(row["memory after, MB"] > 10 for row in tables["serve"])


def test_measured_recall_and_matches_of_near_copies(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for number in range(6):
        coarse = generator.integers(0, 256, (16, 16, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), cv2.resize(coarse, (64, 64), interpolation=cv2.INTER_CUBIC))
    cv2.imwrite(str(tmp_path / "copy.jpg"), cv2.imread(str(tmp_path / "3.png")))
    printed = run(
        "measure_near_copies.py", str(tmp_path), "--copies=3", f"--sheets={tmp_path / 'pairs'}", "--from=0", "--to=32"
    )
    assert "7 faces, 7 different files; 3 faces copied in each way" in printed
    rows = {line.split()[0]: line.split()[1:] for line in printed.splitlines() if line.strip()[:1].isdigit()}
    assert rows["32"] == ["100.0%"] * 7 + ["1"]  # the recall of seven ways to copy, and one match
    assert len(list((tmp_path / "pairs").iterdir())) == 1


def test_measured_fits_of_images_that_are_not_square(
    configure: Callable[..., dict[str, Any]], faces: Path, tmp_path: Path
) -> None:
    train(configure("trainer.max_epochs=1", "test=false", "logger=none"), RunDirectory(tmp_path / "run"))
    scales = ["--scales", "1", "0.8"]
    printed = run("measure_fit.py", str(tmp_path / "run"), "--outside=black", *scales)
    rows = {tuple(words[:-2]): words[-2:] for line in printed.splitlines()[2:] if (words := line.split())}
    assert "16 px; 6 faces of utkface" in printed and len(rows) == 18
    assert rows["whole", "crop", "1.00"] == rows["whole", "stretch", "1.00"] == rows["whole", "pad", "1.00", "black"]
    assert rows["narrow", "1.28", "crop", "1.00"] != rows["narrow", "1.28", "pad", "1.00", "black"]
    others = run("measure_fit.py", str(tmp_path / "run"), "data=utkface", f"data.root={faces}", "--shapes=narrow", *scales)
    assert "60 faces of utkface" in others and others.count("narrow 1.28") == 6


def test_a_perfect_detector_costs_nothing_but_interpolation(
    trained_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(PROJECT / "scripts"))
    script = runpy.run_path(str(PROJECT / "scripts" / "measure_detection.py"))
    scenes, marks = [], np.array([[0.3, 0.3], [0.7, 0.3], [0.5, 0.5], [0.35, 0.7], [0.65, 0.7]])
    draw, values = script["scene"], script["measure"].__globals__

    class Perfect:
        def __init__(self, weights: Path) -> None:
            pass

        def __call__(self, image: np.ndarray) -> list[DetectedFace]:
            scale, shift = (scenes[-1].scale, scenes[-1].shift) if image.shape == (900, 1200, 3) else (len(image), 0)
            points = scale * (marks @ [1, 1j]) + shift
            return [DetectedFace((0, 0, 1, 1), 0.9, np.stack([points.real, points.imag], axis=1))]

    values["YuNet"] = Perfect
    values["scene"] = lambda *arguments: scenes.append(draw(*arguments)) or scenes[-1]
    original, exact, once, again = script["measure"](RunDirectory(trained_run), Path("weights"), 4, 0)
    assert "4 faces, 0 not found; 32 px" in capsys.readouterr().out
    assert original["more, percent"] == 0 and exact["faces"] == 4
    for row in (once, again):
        assert row["MAE"] == pytest.approx(exact["MAE"], abs=1e-3)
        assert max(row["scale, log"], row["angle, degrees"], row["centre, share"]) < 1e-6
