"""``python -m agegender.data`` as a process, on a small folder."""

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


def run(folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agegender.data", *overrides]
    return subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(PROJECT)},
                          capture_output=True, text=True, check=False)  # fmt: skip


def test_the_summary_is_printed_and_skipped_files_are_listed(make_utkface: Callable[..., Path], tmp_path: Path) -> None:
    root = make_utkface(tmp_path / "faces", 30)
    (root / "30_1_0_20180101000000000.jpg.chip.jpg").write_text("no image")
    (root / "notes.txt").write_text("not a face")
    (tmp_path / "here").mkdir()
    done = run(tmp_path / "here", "data=utkface", f"data.root={root}", "skipped=skipped.csv", "split.fractions=[0.6,0.2,0.2]")
    assert done.returncode == 0, done.stderr
    assert f"utkface: 30 faces in {root}  (train 18  val 6  test 6)" in done.stdout
    assert "non-commercial research only" in done.stdout
    assert "age: 30 exact, 0 ranges, 0 unknown" in done.stdout
    assert "skipped: 2 files or faces" in done.stdout
    assert "split random 60/20/20 seed 0: train 18  val 6  test 6  sha256 " in done.stdout
    with (tmp_path / "here" / "skipped.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["path", "reason"]
    assert {path for path, _ in rows[1:]} == {"utkface/30_1_0_20180101000000000.jpg.chip.jpg", "utkface/notes.txt"}
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["skipped.csv"]  # no run directory, no cache


def test_names_of_skipped_files_are_shown_as_they_are_spelled(make_utkface: Callable[..., Path], tmp_path: Path) -> None:
    make_utkface(tmp_path / "faces", 30)
    (tmp_path / "faces" / "a\nsplit random: forged\x1b[2J\u202egpj.txt").write_text("no face")
    done = run(tmp_path, "data=utkface", "data.root=faces", "skipped=skipped.csv", "split.fractions=[0.6,0.2,0.2]")
    assert done.returncode == 0, done.stderr
    spelled = "utkface/a\\nsplit random: forged\\x1b[2J\\u202egpj.txt"
    assert f"\n      {spelled}\n" in done.stdout and "\x1b" not in done.stdout + done.stderr
    assert f"\n{spelled}," in (tmp_path / "skipped.csv").read_text()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.root=nowhere", "data.root=nowhere"),
        ("split.fractions=[1,1,1]", "must be three numbers >= 0 that sum to 1"),
        ("image_size=large", "image_size=large: expected"),
        ("skipped=5", "skipped=5: expected"),
    ],
)
def test_a_mistake_is_a_one_line_error(override: str, message: str, make_utkface: Callable[..., Path], tmp_path: Path) -> None:
    root = make_utkface(tmp_path / "faces", 10)
    done = run(tmp_path, "data=utkface", f"data.root={root}", override)
    assert done.returncode == 2 and done.stdout == ""
    assert message in done.stderr and "Traceback" not in done.stderr


def test_a_list_of_skipped_files_that_cannot_be_written_is_a_one_line_error(
    make_utkface: Callable[..., Path], tmp_path: Path
) -> None:
    root = make_utkface(tmp_path / "faces", 30)
    done = run(tmp_path, "data=utkface", f"data.root={root}", "skipped=nowhere/skipped.csv")
    assert done.returncode == 2
    assert done.stderr == "error: skipped=nowhere/skipped.csv: cannot be written: No such file or directory\n"
