"""Finds run directories, reads them, and refuses files that do not belong together."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from agegender.comparison.per_face import per_face_of
from agegender.comparison.protocol import beside
from agegender.comparison.rows import settings_of
from agegender.configuration.paper import SPLITS, metric_problems, paper_on
from agegender.errors import AgeGenderError
from agegender.metrics.registry import BY_KEY, shown
from agegender.runs.chain import chain_of
from agegender.runs.finished_run import Run
from agegender.runs.run_directory import RunDirectory

CONFIG: dict[str, type] = {"seed": int, "data.sources": Mapping, "age_range": list}
METRICS: dict[str, type] = {"split.name": str, "split.sha256": str, "tested": str, "age_classes": list}
KINDS = {int: "an integer", Mapping: "a mapping", list: "a list", str: "text"}
SECTIONS = ("augment", "backbone", "finetune", "head", "loader", "paper", "split", "trainer")  # mappings, if given
TOLERANCE = 1e-4  # relative, between metrics and predictions, which are stored with 32 bits


def find(paths: Iterable[str | Path]) -> tuple[list[Path], list[str]]:
    """Run directories and folders of evaluations among the given folders and below them.

    Evaluations inside a run directory or a folder of runs are found only if they, or the folder that holds them, are given.

    Returns:
        The folders, each once, in order; and a line for each path that is not such a folder and contains none.

    Raises:
        AgeGenderError: A path does not exist.
    """
    found: dict[Path, None] = {}
    left_out = []
    for path in map(Path, paths):
        if not path.exists():
            raise AgeGenderError(
                f"{path}: does not exist; expected a run directory (with a config.yaml) or a folder that contains some"
            )
        below = [path.resolve()] if RunDirectory(path).evaluation_of else list(_below(path))
        found |= dict.fromkeys(below)
        if not below:
            left_out.append(f"{path}: {'contains no run directory' if path.is_dir() else 'a file, not a run directory'}")
    return list(found), left_out


def _below(path: Path) -> Iterable[Path]:
    for folder, folders, _ in os.walk(path):
        folders[:] = sorted(name for name in folders if name != "evaluation")
        if RunDirectory(folder).config.is_file():
            folders.clear()
            yield Path(folder).resolve()


def read(path: Path) -> Run:
    """Reads a run directory, or the folder of an evaluation inside one.

    Raises:
        AgeGenderError: It has no metrics, its files cannot be read, or they do not belong together.
    """
    folder = RunDirectory(path)
    if not folder.metrics.is_file():
        raise AgeGenderError(f"{path}: not tested: it has no metrics.json")
    evaluation_of = folder.evaluation_of
    if evaluation_of and not folder.config.is_file():
        raise AgeGenderError(f"{path}: an evaluation of an older version, without a config.yaml: run agegender.evaluate again")
    trained = read(evaluation_of.path) if evaluation_of else None
    config = _holding(path, "config.yaml", folder.read_config(), CONFIG)
    metrics = _holding(path, "metrics.json", folder.read_metrics(), METRICS)
    history, model = (trained.history, trained.model) if trained else (folder.read_history(), folder.read_model())
    run = Run(path, config, metrics, folder.read_predictions(), history, model, trained, chain_of(folder))
    try:
        _check(run)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise AgeGenderError(f"{path}: cannot be read as a run directory: {type(error).__name__} {error}") from error
    return run


def _holding(path: Path, file: str, content: Any, keys: Mapping[str, type]) -> dict[str, Any]:
    """The content, if it has these dotted keys with values of these kinds."""
    for key, kind in keys.items():
        value = content
        for name in key.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        if not isinstance(value, kind) or isinstance(value, bool):
            raise AgeGenderError(f"{path}: cannot be read as a run directory: {file} has no {key} that is {KINDS[kind]}")
    return dict(content)


def _check(run: Run) -> None:
    """Raises an error if tables cannot show the configuration, or if metrics and predictions are of different faces."""
    for name in SECTIONS:
        if not isinstance(run.config.get(name), Mapping | None):
            raise AgeGenderError(f"{run.path}: cannot be read as a run directory: config.yaml, {name}: expected a mapping")
    if len([age for age in run.config["age_range"] if isinstance(age, int | float)]) != 2:
        raise AgeGenderError(f"{run.path}: cannot be read as a run directory: config.yaml, age_range: expected two numbers")
    if any("epoch" not in row for row in run.history):
        raise AgeGenderError(f"{run.path}: history.csv has no column epoch")
    settings_of(run)
    paper = run.config.get("paper")
    if paper is not None:
        paper = paper_on(paper, run.sources)
        if problems := metric_problems(paper["metrics"]):
            raise AgeGenderError(f"{run.path}: config.yaml, {problems[0]}")
        beside(paper, run)
    for split in SPLITS:
        for key in BY_KEY:
            run.metric(key, split)
    faces, count = run.faces(), run.count(run.tested)
    if faces is None:
        return
    if len(faces) != count:
        raise AgeGenderError(f"{run.path}: predictions.parquet holds {len(faces)} {run.tested} faces, metrics.json {count}")
    for metric in shown("table"):
        recorded, values = run.metric(metric.key), per_face_of(run, metric, run.age_classes)
        if recorded is not None and values is not None and not np.isclose(np.nanmean(values), recorded, rtol=TOLERANCE):
            raise AgeGenderError(
                f"{run.path}: predictions.parquet has {metric.title} {np.nanmean(values):.4f}, metrics.json {recorded:.4f}: "
                "they are not of the same test"
            )
