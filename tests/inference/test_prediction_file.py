import csv
import json
from pathlib import Path

import pandas as pd
import pytest

from agegender.errors import AgeGenderError
from agegender.inference.age_gate import AgeGate
from agegender.inference.photos import Result
from agegender.inference.prediction_file import COLUMNS, PredictionFile
from agegender.inference.predictor import Face

FACE = Face(31.25, (20.0, 40.5), 90, None, 0, 0.75)
BOXED = Face(8.0, None, 90, None, 0, None, (1.0, 2.5, 30.0, 40.0), 0.99)
RESULTS = [
    Result(Path("a b.jpg"), [FACE], ""),
    Result(Path("=HYPERLINK(1).jpg"), [BOXED, FACE], ""),
    Result(Path("bad\nname.jpg"), [], "truncated JPEG"),
]


@pytest.mark.parametrize("name", ["p.csv", "p.parquet", "p.jsonl"])
def test_one_row_a_face_and_one_a_failure(name: str, tmp_path: Path) -> None:
    with PredictionFile(tmp_path / "new" / name, {}) as table:
        for result in RESULTS:
            table.write(result)
    path = tmp_path / "new" / name
    read = {"p.csv": pd.read_csv, "p.parquet": pd.read_parquet, "p.jsonl": lambda file: pd.read_json(file, lines=True)}
    rows = read[name](path)
    assert tuple(rows.columns) == COLUMNS
    assert len(rows) == 4
    assert rows["age"].tolist()[:3] == [31.25, 8.0, 31.25]
    assert rows["interval_high"].tolist()[0] == 40.5
    assert rows["face"].tolist()[:3] == [1, 2 - 1, 2]
    assert rows["reason"].tolist()[3] == "truncated JPEG"
    assert [path.name for path in path.parent.iterdir()] == [name]


@pytest.mark.parametrize("name", ["p.csv", "p.parquet", "p.jsonl"])
def test_an_age_gate_adds_a_column_with_its_verdicts(name: str, tmp_path: Path) -> None:
    gate = AgeGate(18, 25, 10, 10, (0.1, None), (0.2, None), None)
    with PredictionFile(tmp_path / name, {}, gate) as table:
        for result in RESULTS:
            table.write(result)
    read = {"p.csv": pd.read_csv, "p.parquet": pd.read_parquet, "p.jsonl": lambda file: pd.read_json(file, lines=True)}
    verdicts = read[name](tmp_path / name)["verdict"]
    assert verdicts.tolist()[:3] == ["passes", "proof of age needed", "passes"] and verdicts.isna().tolist()[3]


def test_csv_cells_are_no_formulas_and_one_line(tmp_path: Path) -> None:
    with PredictionFile(tmp_path / "p.csv", {}) as table:
        for result in RESULTS:
            table.write(result)
    with (tmp_path / "p.csv").open(newline="") as file:
        paths = [row["path"] for row in csv.DictReader(file)]
    assert paths == ["a b.jpg", "'=HYPERLINK(1).jpg", "'=HYPERLINK(1).jpg", "bad\\nname.jpg"]


def test_an_interrupted_file_is_continued(tmp_path: Path) -> None:
    settings = {"model": "m", "flip": False}
    with pytest.raises(KeyboardInterrupt), PredictionFile(tmp_path / "p.jsonl", settings) as table:
        for result in RESULTS[:2]:
            table.write(result)
        raise KeyboardInterrupt
    assert not (tmp_path / "p.jsonl").exists()
    with (tmp_path / ".p.jsonl.partial").open("a") as file:
        file.write('[{"path": "bad')  # the crash cut this line
    with PredictionFile(tmp_path / "p.jsonl", settings) as table:
        assert table.done == {"a b.jpg", "=HYPERLINK(1).jpg"}
        table.write(RESULTS[2])
    assert [json.loads(line)["path"] for line in (tmp_path / "p.jsonl").open()] == [
        "a b.jpg", "=HYPERLINK(1).jpg", "=HYPERLINK(1).jpg", "bad\nname.jpg"
    ]  # fmt: skip


def test_other_settings_are_not_mixed_in(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), PredictionFile(tmp_path / "p.csv", {"model": "m"}):
        raise KeyboardInterrupt
    with pytest.raises(AgeGenderError, match=r"\.p\.csv\.partial: belongs to an interrupted command with other photos"):
        PredictionFile(tmp_path / "p.csv", {"model": "other"})


@pytest.mark.parametrize("content", [b"{}", b"no json\n", b"{}\n5\n", b"{}\n[]\n", b"\xff\xfe\n"])
def test_a_damaged_partial_file_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / ".p.csv.partial").write_bytes(content)
    with pytest.raises(AgeGenderError, match=r"\.p\.csv\.partial: damaged; delete it"):
        PredictionFile(tmp_path / "p.csv", {})


@pytest.mark.parametrize("name", ["p.csv", "p.parquet", "p.jsonl"])
def test_a_file_name_may_not_be_valid_utf_8(name: str, tmp_path: Path) -> None:
    with PredictionFile(tmp_path / name, {}) as table:
        table.write(Result(Path("a\udcff.jpg"), [FACE], ""))
    assert b"31.25" in (tmp_path / name).read_bytes() or name == "p.parquet"
    if name == "p.parquet":
        assert pd.read_parquet(tmp_path / name)["path"].tolist() == [r"a\xff.jpg"]


def test_a_package_that_is_missing_is_named_before_the_prediction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agegender.inference.prediction_file.find_spec", lambda name: None)
    with pytest.raises(AgeGenderError, match="Parquet needs one more package: pip install pyarrow"):
        PredictionFile(tmp_path / "p.parquet", {})
    assert not list(tmp_path.iterdir())


def test_unknown_formats_and_folders_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(AgeGenderError, match=r"the name must end in \.csv, \.parquet, \.jsonl"):
        PredictionFile(tmp_path / "p.xlsx", {})
    (tmp_path / "file").touch()
    with pytest.raises(AgeGenderError, match="cannot be written"):
        PredictionFile(tmp_path / "file" / "p.csv", {})


def test_a_file_that_another_command_writes_is_refused_until_that_ends(tmp_path: Path) -> None:
    with PredictionFile(tmp_path / "p.csv", {}) as first:
        first.write(RESULTS[0])
        with pytest.raises(AgeGenderError, match=r"p\.csv: another command is writing it"):
            PredictionFile(tmp_path / "p.csv", {})
        first.write(RESULTS[1])
    assert len(pd.read_csv(tmp_path / "p.csv")) == 3
    with pytest.raises(KeyboardInterrupt), PredictionFile(tmp_path / "p.csv", {}):
        raise KeyboardInterrupt
    with pytest.raises(AgeGenderError) as refused:
        PredictionFile(tmp_path / "p.csv", {"model": "other"})
    assert "belongs to an interrupted command" in str(refused.value)  # and, while this error is kept, holds no lock:
    with PredictionFile(tmp_path / "p.csv", {}) as second:
        second.write(RESULTS[0])
    assert len(pd.read_csv(tmp_path / "p.csv")) == 1
