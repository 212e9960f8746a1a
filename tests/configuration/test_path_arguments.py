"""Paths in a configuration are found by the annotations of constructors alone."""

import importlib
from pathlib import Path
from typing import Any

import pytest

from agegender.configuration.command import compose
from agegender.configuration.path_arguments import path_arguments, with_absolute_paths

SOURCE = """
from pathlib import Path
from agegender.input_paths import InputFile, InputFolder

class NewSource:
    def __init__(self, folder: InputFolder, labels: "InputFile | None" = None, log: str | Path | None = None,
                 name: str = "new", more: dict[str, InputFile] | None = None) -> None: ...
"""


@pytest.fixture
def new_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The class path of a source that nothing else knows, in a package of its own."""
    package = tmp_path / "package_of_a_new_source"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "source.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    return "package_of_a_new_source.source.NewSource"


def found(config: dict[str, Any]) -> dict[str, tuple[str | None, str, str | None]]:
    return {argument.key: (argument.path, argument.kind, argument.folder) for argument in path_arguments(config)}


def test_a_new_source_needs_annotations_only(new_source: str) -> None:
    own = {"_target_": new_source, "folder": "faces", "labels": "l.csv", "log": None, "name": "faces", "more": {"a": "a.csv"}}
    assert found({"data": {"sources": {"new": own}}}) == {
        "data.sources.new.folder": ("faces", "folder", "faces"),
        "data.sources.new.labels": ("l.csv", "file", "faces"),
        "data.sources.new.log": (None, "output", "faces"),
        "data.sources.new.more.a": ("a.csv", "file", "faces"),
    }


def test_relative_paths_become_absolute_and_files_in_their_folder_stay(
    new_source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "inside.csv").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ada")
    own = {"_target_": new_source, "folder": "faces", "labels": "inside.csv", "log": "log", "name": "faces",
           "more": {"a": "outside.csv", "b": "inside.csv", "c": "~/c.csv", "d": "/d.csv"}}  # fmt: skip
    config = {"data": {"sources": {"new": own}}}
    assert with_absolute_paths(config)["data"]["sources"]["new"] == {
        "_target_": new_source, "folder": f"{tmp_path}/faces", "labels": "inside.csv", "log": f"{tmp_path}/log",
        "name": "faces",
        "more": {"a": f"{tmp_path}/outside.csv", "b": "inside.csv", "c": "/home/ada/c.csv", "d": "/d.csv"},
    }  # fmt: skip
    assert own["folder"] == "faces"  # the original is unchanged


def test_the_folder_of_an_enclosing_object_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "labels.csv").touch()
    monkeypatch.chdir(tmp_path)
    for csv, expected in (("labels.csv", "labels.csv"), ("other.csv", str(tmp_path / "other.csv"))):
        config = with_absolute_paths(compose(["data=folder", "data.root=faces", f"data.csv={csv}"]))
        source = config["data"]["sources"]["folder"]
        assert (source["root"], source["tables"]["csv"]["file"]) == (str(tmp_path / "faces"), expected)


@pytest.mark.parametrize(
    ("overrides", "inputs"),
    [
        (["data=toyfaces"], {"data.sources.toyfaces.root": "folder"}),
        (["data=adience", "data.root=/a"], {"data.sources.adience.root": "folder"}),
        (["data=appa_real", "data.root=/a"], {"data.sources.appa_real.root": "folder"}),
        (["data=imdb_wiki", "data.root=/a"], {"data.sources.imdb_wiki.root": "folder"}),
        (
            ["data=mixed", "data.utkface.root=/u", "data.fairface.root=/f"],
            {"data.sources.utkface.root": "folder", "data.sources.fairface.root": "folder"},
        ),
        (
            ["data=megaage", "data.root=/m"],
            {
                "data.sources.megaage.root": "folder",
                **{f"data.sources.megaage.tables.{part}.file": "file" for part in ("train", "test")},
                **{f"data.sources.megaage.tables.{part}.beside.age": "file" for part in ("train", "test")},
            },
        ),
        (
            ["split=file", "split.train=a.csv", "split.test=b.csv", "backbone=vgg16"],
            {
                "data.sources.toyfaces.root": "folder",
                **{f"split.{name}": "file" for name in ("train", "test", "val")},
                "backbone.weights": "file",
            },
        ),
    ],
)
def test_inputs_of_the_projects_own_classes(overrides: list[str], inputs: dict[str, str]) -> None:
    arguments = list(path_arguments(compose([*overrides, "logger=wandb"])))
    assert {one.key: one.kind for one in arguments if one.kind != "output"} == {"data.exclude": "file", **inputs}
    assert {one.key for one in arguments if one.kind == "output"} == {"loader.cache_dir", "logger.wandb.save_dir"}


def test_paths_of_a_library_are_outputs() -> None:
    logger = {"_target_": "lightning.pytorch.loggers.CSVLogger", "save_dir": "here", "name": "csv"}
    assert found({"logger": {"csv": logger}}) == {"logger.csv.save_dir": ("here", "output", None)}
