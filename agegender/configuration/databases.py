"""The sources of ``data=facebase``: one for each database of the benchmark of Paplham and Franc (CVPR 2024)."""

import re
from pathlib import Path
from typing import Any

import yaml

from agegender.errors import AgeGenderError
from agegender.regular_files import open_text

BENCHMARK = (".yaml", ".yml")  # endings of a benchmark, which names databases; a database is JSON
SPLITS = {"trn": "train", "val": "val", "tst": "test"}


def database_name(file: str | Path) -> str:
    """The name of a database, as in tables and reports: ``AgeDB`` for ``databases/AgeDB_aligned.json``."""
    return re.sub(r"[^\w-]+", "_", Path(file).stem.removesuffix("_aligned"))


def read_benchmark(file: Path) -> dict[str, list[dict[str, list[int]]]]:
    """Folders of each split, for each database of a benchmark.

    Returns:
        By file of the database, which is relative to the folder of the benchmark, a list of splits: for ``train``, ``val`` and
        ``test`` the numbers of their folders.

    Raises:
        AgeGenderError: The file cannot be read or is not a benchmark, or a split has a folder twice.
    """
    try:
        with open_text(file) as text:
            entries = yaml.safe_load(text)
    except OSError as error:
        raise AgeGenderError(f"{file} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, RecursionError, yaml.YAMLError) as error:
        raise AgeGenderError(f"{file} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(entries, list) or not entries:
        raise AgeGenderError(f"{file}: not a benchmark: expected a list of databases, each with database and split")
    databases: dict[str, list[dict[str, list[int]]]] = {}
    for number, entry in enumerate(entries, 1):
        where = f"{file}: database {number}"
        if not (isinstance(entry, dict) and isinstance(entry.get("database"), str) and isinstance(entry.get("split"), list)):
            raise AgeGenderError(f"{where}: expected the keys database, a JSON file, and split, a list")
        name = database_name(entry["database"])
        if name in map(database_name, databases):
            raise AgeGenderError(f"{where}: {name} is listed twice")
        if not entry["split"]:
            raise AgeGenderError(f"{where}: expected at least one split")
        databases[entry["database"]] = [_folders(split, f"{where}, split {i}") for i, split in enumerate(entry["split"])]
    if len({len(splits) for splits in databases.values()}) > 1:
        counts = ", ".join(f"{database_name(one)} {len(splits)}" for one, splits in databases.items())
        raise AgeGenderError(f"{file}: all databases must have the same number of splits; found {counts}")
    return databases


def _folders(split: Any, where: str) -> dict[str, list[int]]:
    lists = [split.get(key) for key in SPLITS] if isinstance(split, dict) else [None]
    if not all(isinstance(folders, list) and all(type(folder) is int for folder in folders) for folders in lists):
        raise AgeGenderError(f"{where}: expected {', '.join(SPLITS)}, each a list of folder numbers")
    every = [folder for folders in lists for folder in folders or []]
    if repeated := sorted({folder for folder in every if every.count(folder) > 1}):
        raise AgeGenderError(f"{where}: folder {', '.join(map(str, repeated))} is listed more than once")
    return {SPLITS[key]: split[key] for key in SPLITS}


def facebase_sources(databases: Any, root: str, missing: str) -> dict[str, dict[str, Any]]:
    """The key ``data.sources`` of some databases, by their names.

    Args:
        databases: One or more JSON files, or a benchmark (YAML) for all its databases that are there.
        root: Folder of the pictures.
        missing: As for ``agegender.sources.facebase.Facebase``.

    Raises:
        AgeGenderError: A benchmark cannot be read or none of its databases is there, or two files have the same name.
    """
    given = [databases] if isinstance(databases, str) else list(databases or ())
    if not given or not all(isinstance(file, str) for file in given):
        raise AgeGenderError(f"data.database={databases}: expected one or more JSON files, or a benchmark (YAML)")
    files = [one for file in given for one in (_at_hand(file, root) if file.endswith(BENCHMARK) else [file])]
    names = [database_name(file) for file in files]
    if len(set(names)) < len(names):
        raise AgeGenderError(f"data.database={databases}: several files have the same name: {', '.join(names)}")
    target = "agegender.sources.facebase.Facebase"
    return {
        name: {"_target_": target, "root": root, "database": file, "name": name, "missing": missing}
        for name, file in zip(names, files, strict=True)
    }


def _at_hand(benchmark: str, root: str) -> list[str]:
    """The databases of a benchmark that are there."""
    in_root = Path(root).expanduser() / benchmark
    file = in_root if in_root.exists() else Path(benchmark).expanduser()
    named = list(read_benchmark(file))
    found = [str(file.parent / one) for one in named if (file.parent / one).is_file()]
    if not found:
        raise AgeGenderError(f"data.database={benchmark}: none of its databases is in {file.parent}: {', '.join(named)}")
    return found
