"""Results of the estimates of another model, from the command line, beside those of a trained run."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from agegender.compare import main as compare
from agegender.configuration.command import compose
from agegender.configuration.evaluation import audited, validate_evaluation
from agegender.configuration.paths import CONF
from agegender.errors import AgeGenderError
from agegender.evaluation.audit import audit
from agegender.runs.run_directory import RunDirectory
from agegender.train import train

Audit = Callable[..., RunDirectory]


@pytest.fixture
def run_audit(faces: Path, tmp_path: Path) -> Audit:
    """Audits a file with these lines below a header, on the sixty generated faces; returns the folder of the results."""

    def run_audit(header: str, lines: list[str], *overrides: str, part: str = "test") -> RunDirectory:
        file = tmp_path / "vendor.csv"
        file.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
        given = [f"predictions={file}", "data=utkface", f"data.root={faces}", *(overrides or ["split=all_test"])]
        config = compose(given, "evaluate")
        validate_evaluation(config, given)
        audit(audited(config), file, part, None)
        (folder,) = tmp_path.glob("vendor-*")
        return RunDirectory(folder)

    return run_audit


def labels(file: Path) -> tuple[int, str]:
    age, gender, *_ = file.name.split("_")
    return int(age), ["male", "female"][int(gender)]


def test_metrics_equal_those_computed_by_hand(run_audit: Audit, faces: Path) -> None:
    files = sorted(faces.iterdir())
    wrong = {file.name for file in files[:6]}
    lines = []
    for number, file in enumerate(files):
        age, gender = labels(file)
        said = {"male": "female", "female": "male"}[gender] if file.name in wrong else gender
        lines.append(f"{file.name},{age + (number % 3)},{said}")
    run = run_audit("path,age,gender", lines)
    metrics = run.read_metrics()
    assert metrics["test"]["n"] == 60 and metrics["test"]["age_mae"] == pytest.approx(1.0)
    assert metrics["test"]["gender_accuracy"] == pytest.approx(0.9)
    assert metrics["audit"] | {"sha256": ""} == {
        "file": "vendor.csv", "sha256": "", "rows": 60, "missing": 0, "extra": 0, "gender_is_certain": True,
    }  # fmt: skip
    assert len(pd.read_csv(run.unmatched)) == 0 and len(pd.read_csv(run.suspicious)) == 0
    predictions = run.read_predictions()
    assert predictions is not None and len(predictions) == 60


def test_missing_and_extra_rows_are_counted_and_listed(run_audit: Audit, faces: Path) -> None:
    files = sorted(faces.iterdir())
    lines = [f"{file},{labels(file)[0]},0.75" for file in files[2:]]
    lines[0] = f"{files[2]},,0.75"
    run = run_audit("path,age,probability_female", [*lines, "=gone.jpg,3,0.5"])
    metrics = run.read_metrics()
    assert metrics["test"]["n"] == 57 and metrics["audit"]["missing"] == 3 and metrics["audit"]["extra"] == 1
    assert not metrics["audit"]["gender_is_certain"]
    found = {(row.kind, row.path): row.reason for row in pd.read_csv(run.unmatched).itertuples()}
    assert found == {
        ("missing", f"utkface/{files[0].name}"): "no row in the file",
        ("missing", f"utkface/{files[1].name}"): "no row in the file",
        ("missing", f"utkface/{files[2].name}"): "its row has an empty cell",
        ("extra", "'=gone.jpg"): "row 60: not in the data",
    }


def test_rows_of_other_splits_are_extra(run_audit: Audit, faces: Path) -> None:
    lines = [f"{file.name},{labels(file)[0]}" for file in faces.iterdir()]
    run = run_audit("path,age", lines, "split=random", "split.seed=3")
    metrics = run.read_metrics()
    assert metrics["test"]["n"] == 6 and metrics["audit"]["extra"] == 54 and metrics["audit"]["missing"] == 0
    reasons = pd.read_csv(run.unmatched)["reason"].str.partition(": ")[2]
    assert reasons.value_counts().to_dict() == {"in the train split": 48, "in the val split": 6}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["nobody.jpg,1"], "none of the 60 faces of the test split has an estimate"),
        (["FIRST,1", "FIRST,1"], "rows 2 and 3 both belong to utkface/"),
    ],
)
def test_files_that_do_not_fit_the_faces_are_refused(lines: list[str], message: str, run_audit: Audit, faces: Path) -> None:
    first = sorted(faces.iterdir())[0].name
    with pytest.raises(AgeGenderError, match=message):
        run_audit("path,age", [line.replace("FIRST", first) for line in lines])


def test_an_ambiguous_name_is_refused(make_utkface: Callable[..., Path], tmp_path: Path) -> None:
    make_utkface(tmp_path / "data" / "a", 3)
    make_utkface(tmp_path / "data" / "b", 3)
    name = sorted((tmp_path / "data" / "a").iterdir())[0].name
    file = tmp_path / "vendor.csv"
    file.write_text(f"path,age\n{name},3\n")
    config = compose([f"predictions={file}", "data=utkface", f"data.root={tmp_path / 'data'}", "split=all_test"], "evaluate")
    with pytest.raises(AgeGenderError, match=r"row 2, .* belongs to both utkface/a/.* and utkface/b/.*; add folders"):
        audit(audited(config), file, "test", None)


def test_a_vendor_is_compared_with_a_trained_run_on_the_same_faces(
    configure: Callable[..., dict[str, Any]], faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunDirectory(tmp_path / "run")
    train(configure("trainer.max_epochs=1", "logger=none"), run)
    file = tmp_path / "vendor.csv"
    file.write_text(
        "\n".join(["path,age,gender", *(f"{one.name},{labels(one)[0]},{labels(one)[1]}" for one in faces.iterdir())])
    )
    environment = {**os.environ, "PYTHONPATH": str(CONF.parent)}
    arguments = [f"predictions={file.name}", "data=utkface", f"data.root={faces}", "out=audit"]
    result = subprocess.run(
        [sys.executable, "-m", "agegender.evaluate", *arguments], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert result.returncode == 0, result.stderr
    assert "6 faces of the test split have an estimate, 0 have none; 54 rows of vendor.csv belong to no" in result.stdout
    compare([str(run.path), str(tmp_path / "audit")])
    printed = capsys.readouterr().out
    rows = [line.split() for line in printed.splitlines()]
    assert "2 tables" not in printed
    vendor = next(row for row in rows if row and "vendor" in row)
    assert "unknown" in vendor and "0.00" in vendor
