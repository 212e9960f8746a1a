"""Names and files of the databases of ``data=facebase``, and benchmarks that cannot be read."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from agegender.configuration.command import compose
from agegender.configuration.databases import database_name, facebase_sources, read_benchmark
from agegender.errors import AgeGenderError

SPLIT = {"trn": [0, 1], "val": [2], "tst": [3]}


def test_names_of_databases_are_short_and_fit_into_keys_and_file_names() -> None:
    assert database_name("databases/AFAD-Full_aligned.json") == "AFAD-Full"
    assert database_name("/x/my faces.v2.json") == "my_faces_v2"


def test_each_database_is_a_source_under_its_name() -> None:
    for overrides in ("data.database=A_aligned.json", "data.database=[A_aligned.json,sub/B.json]"):
        sources = compose(["data=facebase", "data.root=/pictures", overrides, "data.missing=skip"])["data"]["sources"]
        assert sources["A"] == {
            "_target_": "agegender.sources.facebase.Facebase", "root": "/pictures", "database": "A_aligned.json", "name": "A",
            "missing": "skip",
        }  # fmt: skip
    assert list(sources) == ["A", "B"]


def test_a_benchmark_stands_for_its_databases_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "databases").mkdir()
    entries = [{"database": f"databases/{name}_aligned.json", "split": [SPLIT]} for name in "ABC"]
    (tmp_path / "A.yaml").write_text(yaml.safe_dump(entries))
    with pytest.raises(AgeGenderError, match=r"A.yaml: none of its databases is in .*: databases/A_aligned.json, databases/B"):
        facebase_sources(str(tmp_path / "A.yaml"), "/pictures", "error")
    for name in "CA":
        (tmp_path / f"databases/{name}_aligned.json").touch()
    sources = facebase_sources(str(tmp_path / "A.yaml"), "/pictures", "error")
    assert [one["database"] for one in sources.values()] == [f"{tmp_path}/databases/{name}_aligned.json" for name in "AC"]
    assert list(facebase_sources("A.yaml", str(tmp_path), "error")) == ["A", "C"]  # relative to data.root


@pytest.mark.parametrize(
    ("databases", "message"),
    [
        (None, "data.database=None: expected one or more JSON files"),
        ([3], r"data.database=\[3\]: expected one or more JSON files"),
        ([], r"data.database=\[\]: expected one or more"),
        (["a/A.json", "b/A_aligned.json"], "several files have the same name: A, A"),
        ("none.yaml", "none.yaml cannot be read: No such file"),
    ],
)
def test_databases_that_are_no_files_are_one_line(databases: Any, message: str) -> None:
    with pytest.raises(AgeGenderError, match=message):
        facebase_sources(databases, "/pictures", "error")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [", "is not valid YAML"),
        ("", "not a benchmark: expected a list of databases"),
        ({"database": "A.json", "split": [SPLIT]}, "not a benchmark: expected a list"),
        ([{"database": "A.json"}], "database 1: expected the keys database, a JSON file, and split, a list"),
        ([{"database": "A.json", "split": [{"trn": [0], "val": []}]}], "database 1, split 0: expected trn, val, tst"),
        ([{"database": "A.json", "split": [{**SPLIT, "tst": ["x"]}]}], "database 1, split 0: expected trn, val, tst"),
        ([{"database": "A.json", "split": [{**SPLIT, "tst": [3, 1, 2]}]}], "split 0: folder 1, 2 is listed more than once"),
        ([{"database": "A.json", "split": [SPLIT]}] * 2, "database 2: A is listed twice"),
        (
            [{"database": "A.json", "split": [SPLIT]}, {"database": "B.json", "split": [SPLIT, SPLIT]}],
            "same number of splits; found A 1, B 2",
        ),
        ([{"database": "A.json", "split": []}], "database 1: expected at least one split"),
    ],
)
def test_files_that_are_no_benchmark_are_one_line(content: Any, message: str, tmp_path: Path) -> None:
    file = tmp_path / "A.yaml"
    file.write_text(content if isinstance(content, str) else yaml.dump(content))
    with pytest.raises(AgeGenderError, match=message) as error:
        read_benchmark(file)
    assert len(error.value.lines) == 1
