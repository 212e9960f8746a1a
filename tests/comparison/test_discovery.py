"""Run directories are found and read, and refused if their files do not belong together."""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from agegender.comparison.discovery import find, read
from agegender.errors import AgeGenderError

Write = Callable[..., Path]
CONFIG = "seed: 0\nage_range: [0, 116]\ndata: {sources: {utkface: {}}}\n"


def test_runs_are_found_below_a_folder_once_and_in_order(write_run: Write, tmp_path: Path) -> None:
    one, two = write_run("sweep/1", [1.0]), write_run("sweep/0", [1.0])
    (one / "evaluation" / "config.yaml").mkdir(parents=True)  # what lies inside a run is no run
    (one / "inner").mkdir()
    (one / "inner" / "config.yaml").write_text("{}")
    (tmp_path / "empty").mkdir()
    (tmp_path / "run.log").write_text("as `runs/*` finds it")
    found, left_out = find([one, tmp_path / "sweep", tmp_path / "empty", tmp_path / "run.log"])
    assert found == [one, two]
    assert left_out == [
        f"{tmp_path / 'empty'}: contains no run directory",
        f"{tmp_path / 'run.log'}: a file, not a run directory",
    ]
    with pytest.raises(AgeGenderError, match=r"nowhere: does not exist"):
        find([tmp_path / "sweep", tmp_path / "nowhere"])


def test_what_a_run_holds(write_run: Write) -> None:
    run = read(write_run("a", [1.0, -2.0, 6.0], right=[True, True, False], seed=3))
    assert (run.draw, run.tested, run.count("test"), run.count("train"), run.train_seconds) == (
        (3, (None, None)),
        "test",
        3,
        100,
        121.5,
    )
    assert run.metric("age_mae") == pytest.approx(3.0)
    assert run.metric("age_cs5") == pytest.approx(2 / 3)
    assert run.metric("gender_accuracy") == pytest.approx(2 / 3)
    assert run.metric("age_mae", "val") == 5.0
    assert run.metric("age_rmse", "val") is None and run.metric("gender_loss") is None
    faces = run.faces()
    assert faces is not None and list(faces["path"]) == ["face0000.jpg", "face0001.jpg", "face0002.jpg"]


def test_a_test_set_is_identified_by_faces_pixels_and_labels(write_run: Write) -> None:
    same = read(write_run("a", [1.0, 2.0]))
    moved = read(write_run("b", [9.0, 0.0], right=[True, False], seed=4))
    assert same.test_set == moved.test_set
    others = [write_run("c", [1.0, 2.0], faces="other"), write_run("d", [1.0, 2.0, 3.0]), write_run("e", [1.0, 2.0], width=5)]
    other_pixels = write_run("f", [1.0, 2.0])
    frame = pd.read_parquet(other_pixels / "predictions.parquet")
    frame.assign(sha256="0").to_parquet(other_pixels / "predictions.parquet")
    sets = [read(path).test_set for path in [*others, other_pixels]]
    assert len({same.test_set, *sets}) == 5


def test_without_predictions_a_test_set_is_identified_by_the_split(write_run: Write) -> None:
    run = read(write_run("a", [1.0], predictions=False))
    assert run.faces() is None and "split face000" in run.test_set


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("metrics.json", None, "not tested"),
        ("metrics.json", "{", "cannot be read"),
        ("metrics.json", "{}", "cannot be read"),
        ("metrics.json", "[]", "cannot be read"),
        ("config.yaml", "a: [", "cannot be read"),
        ("config.yaml", "just words", "cannot be read"),
        ("metrics.json", '{"tested": "test", "split": {"sha256": "0"}}', r"metrics\.json has no split\.name"),
        ("config.yaml", "seed: 0\nage_range: [0, 116]\n", r"config\.yaml has no data\.sources"),
        ("config.yaml", "seed: one\n", r"config\.yaml has no seed"),
        ("config.yaml", f"{CONFIG}head: DLDL\n", "head: expected a mapping"),
        ("config.yaml", CONFIG.replace("0, 116", "0, old"), "age_range: expected two numbers"),
        ("history.csv", "epoch\nfirst\n", "cannot be read"),
        ("history.csv", "val/age_mae\n5.0\n", "no column epoch"),
        ("predictions.parquet", "no parquet", "cannot be read"),
    ],
)
def test_a_broken_file_is_named(write_run: Write, file: str, content: str | None, message: str) -> None:
    folder = write_run("a", [1.0])
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_text(content)
    with pytest.raises(AgeGenderError, match=message) as error:
        read(folder)
    assert str(folder) in str(error.value)


def test_predictions_of_another_test_are_refused(write_run: Write) -> None:
    folder = write_run("a", [1.0, 2.0])
    frame = pd.read_parquet(folder / "predictions.parquet")
    frame.assign(age_pred=frame["age_pred"] + 1).to_parquet(folder / "predictions.parquet")
    with pytest.raises(AgeGenderError, match=r"MAE 2\.5000, metrics\.json 1\.5000"):
        read(folder)
    frame.iloc[:1].to_parquet(folder / "predictions.parquet")
    with pytest.raises(AgeGenderError, match=r"1 test faces, metrics\.json 2"):
        read(folder)


def test_the_recorded_cost_of_a_model_is_read(write_run: Write) -> None:
    folder = write_run("a", [1.0])
    (folder / "model.json").write_text(json.dumps({"parameters": 12, "flops": 34}))
    assert read(folder).model == {"parameters": 12, "flops": 34}


@pytest.mark.parametrize(
    ("paper", "message"),
    [
        ({"title": "T", "metrics": {"test": {"age_class_accuracy": 72.0}}}, r"age_class_accuracy=72\.0: expected a share"),
        ({"title": "T", "metrics": {"test": {"age_mae": 4}}, "protocol": {"n": 3556}}, "cannot be read"),
        ({"title": "T"}, "cannot be read"),
        ({"title": "T", "metrics": {}, "by_dataset": {"utkface": 4.38}}, "cannot be read"),
        ({"title": "T", "metrics": {}, "by_dataset": {"utkface": {"metrics": {"test": {"age_cs5": 72}}}}}, "expected a share"),
    ],
)
def test_a_mistake_in_a_paper_block_is_named(write_run: Write, paper: dict[str, object], message: str) -> None:
    with pytest.raises(AgeGenderError, match=message):
        read(write_run("a", [1.0], paper=paper))


def test_a_model_without_a_task_has_no_metrics_of_it(write_run: Write) -> None:
    run = read(write_run("a", [1.0, 2.0], right=[True, False], age=False, head=None))
    assert (run.metric("gender_accuracy"), run.metric("age_mae"), run.metric("age_mae", "val"), run.age_classes) == (
        0.5,
        None,
        None,
        (),
    )


def test_genders_of_another_test_are_refused(write_run: Write) -> None:
    folder = write_run("a", [1.0, 2.0, 3.0], right=[True, True, False])
    frame = pd.read_parquet(folder / "predictions.parquet")
    frame.assign(probability_female=1 - frame["probability_female"]).to_parquet(folder / "predictions.parquet")
    with pytest.raises(AgeGenderError, match=r"gender accuracy 0\.3333, metrics\.json 0\.6667"):
        read(folder)


def test_metrics_of_each_gender_and_of_epochs(write_run: Write) -> None:
    folder = write_run("a", [1.0] * 4, right=[True, True, True, False])  # labels male, female, male, female
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["train"] |= {"epoch": 1, "age_mae": 3.0, "age_class_accuracy": 0.7}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "history.csv").write_text("epoch,val/age_mae,val/gender_loss,train/age_mae\n0,6.0,0.3,8.0\n1,5.5,0.4,3.5\n")
    run = read(folder)
    assert [run.metric(f"gender_{name}_female") for name in ("precision", "recall", "f1")] == pytest.approx([1.0, 0.5, 2 / 3])
    assert [run.metric(f"gender_{name}_male") for name in ("precision", "recall", "f1")] == pytest.approx([2 / 3, 1.0, 0.8])
    assert (run.metric("age_class_accuracy", "train"), run.metric("latency_ms")) == (0.7, None)
    assert (run.metric("gender_loss", "val"), run.metric("gender_loss", "val", last=True)) == (0.3, 0.4)  # epoch 1 was tested
    assert (
        run.metric("age_mae", "val"),
        run.metric("age_mae", "val", last=True),
        run.metric("age_mae", "train", last=True),
    ) == (
        5,
        5.5,
        3.5,
    )


def test_an_evaluation_is_a_test_of_its_run_on_other_faces(write_run: Write) -> None:
    trained = write_run("run", [1.0], seed=4)
    (trained / "model.json").write_text(json.dumps({"parameters": 12}))
    other = {"sources": {"fairface": {"root": "/other"}}}
    folder = write_run("run/evaluation/fairface-test-0123", [2.0, 4.0], faces="other", seed=4, data=other)
    for file in "history.csv", "config.yaml":
        (folder / file).rename(folder / f"{file}.kept")
    assert find([trained]) == ([trained], [])
    assert find([folder])[0] == [folder]
    with pytest.raises(AgeGenderError, match=r"older version, without a config\.yaml"):
        read(folder)
    (folder / "config.yaml.kept").rename(folder / "config.yaml")
    assert find([trained / "evaluation"])[0] == [folder]
    run = read(folder)
    assert (run.metric("age_mae"), run.metric("age_mae", "val"), run.origin.metric("age_mae", "val")) == (3.0, 5.0, 5.0)
    assert (run.sources, run.origin.sources, run.elsewhere, run.draw) == (["fairface"], ["utkface"], True, (4, (None, None)))
    assert (run.origin.path, run.model, len(run.history)) == (trained, {"parameters": 12}, 2)
    (trained / "metrics.json").unlink()
    with pytest.raises(AgeGenderError, match="not tested"):
        read(folder)
