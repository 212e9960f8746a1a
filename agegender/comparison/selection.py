"""The selection of a model in a sweep: configurations ranked on validation faces, and the command that tests the best one."""

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from statistics import mean, stdev

import pandas as pd

from agegender.comparison.comparison import over_seeds
from agegender.comparison.rows import Row, name_apart, rows_of
from agegender.comparison.tables import Section, TextTable
from agegender.evaluation.results import baseline
from agegender.metrics.registry import shown
from agegender.runs.finished_run import Run
from agegender.runs.run_directory import RunDirectory
from agegender.sweeps.table import FILE, read_table

PLAIN = re.compile(r"[\w./+@%-]+")  # a path that Hydra reads as one value without quotes


@dataclass(frozen=True)
class Candidate:
    """A configuration of a sweep and its best epochs.

    Args:
        row: Its runs, one for each seed.
        scores: The smallest value of the monitor over the epochs of each run.
    """

    row: Row
    scores: list[float]

    @property
    def tested(self) -> bool:
        """Whether each of its runs is tested on the test split."""
        return all("test" in run.metrics for run in self.row.runs)


def selections(paths: Sequence[str | Path], runs: Sequence[Run]) -> tuple[list[Section], list[Run]]:
    """Ranks the runs of each sweep directory among the paths.

    Args:
        paths: As on the command line of ``compare``.
        runs: All runs found.

    Returns:
        A section for each sweep; and the runs, of which those of a sweep that selects a model are seen on the validation
        split, so that a winner that is tested already stays comparable with the other runs of its sweep.

    Raises:
        AgeGenderError: A ``sweep.csv`` cannot be read.
    """
    found, seen = [], list(runs)
    for sweep in (Path(path) for path in paths if (Path(path) / FILE).is_file()):
        here = [index for index, run in enumerate(seen) if not run.trained and run.path.is_relative_to(sweep.resolve())]
        if any(seen[index].tested == "val" for index in here):
            for index in here:
                seen[index] = on_validation(seen[index])
        found.append(_section(sweep, [seen[index] for index in here]))
    return found, seen


def on_validation(run: Run) -> Run:
    """The run as if it were measured on the validation split only."""
    if run.tested == "val":
        return run
    metrics = {**run.metrics, "tested": "val"}
    viewed = replace(run, metrics=metrics)
    if (faces := viewed.faces()) is not None:
        split = pd.read_csv(StringIO(RunDirectory(run.path).read_split()), dtype={"gender": "Int8"})
        metrics["baseline"] = baseline(split[split["split"] == "train"], faces)
    return viewed


def ranked(runs: Sequence[Run]) -> list[Candidate]:
    """The configurations of a sweep, best first: by the mean over seeds, those with fewer seeds than others last.

    Args:
        runs: With the same monitor.
    """
    rows, _ = rows_of(runs)
    name_apart(rows)
    candidates = [Candidate(row, [_score(run) for run in row.runs]) for row in rows]
    most = max((len(one.scores) for one in candidates), default=0)
    return sorted(candidates, key=lambda one: (len(one.scores) < most, mean(one.scores)))


def _score(run: Run) -> float:
    """The smallest value of the monitor over the epochs; infinite without a history."""
    return min((row[run.config["monitor"]] for row in run.history if run.config["monitor"] in row), default=float("inf"))


def _section(sweep: Path, runs: Sequence[Run]) -> Section:
    jobs = read_table(sweep)
    states = [job["state"] for job in jobs]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    section = Section(f"Sweep {_shown(sweep)}: {len(jobs)} jobs, {counts}")
    monitors = {str(run.config.get("monitor")) for run in runs}
    if len(monitors) == 1:
        section.content += _ranking(ranked(runs), monitors.pop())
    elif monitors:
        section.content.append(f"Not ranked, because the jobs have different monitors: {', '.join(sorted(monitors))}.")
    for job in jobs:
        if job["state"] != "done":
            reason = "; ".join(line for line in job["reason"].splitlines()[:1] + job["reason"].splitlines()[-1:] if line)
            section.content.append(f"{job['state']}: {job['directory']} ({job['overrides']}){reason and f': {reason}'}")
    return section


def _ranking(candidates: Sequence[Candidate], monitor: str) -> list[str | TextTable]:
    seeds, name = max(len(one.scores) for one in candidates), "folds" if candidates[0].row.folds else "seeds"
    rows = [[one.row.name, str(len(one.scores)), _number(one.scores), " ".join(run.path.name for run in one.row.runs)]
            for one in candidates]  # fmt: skip
    lines: list[str | TextTable] = [
        f"Ranked by {monitor} of the best epoch{', mean over ' + name + ' ± standard deviation' if seeds > 1 else ''}.",
        TextTable(["configuration", name, monitor, "runs"], rows),
    ]
    if any(len(one.scores) < seeds for one in candidates):
        lines.append(f"Configurations with fewer than {seeds} {name} are ranked last.")
    winner = candidates[0]
    if not winner.tested:
        advice = "Test the winner once, and no other run of this sweep" if len(candidates) > 1 else "Test it once"
        return [*lines, f"{advice}:", f"    {command_that_tests(winner.row.runs)}"]
    values = {metric: over_seeds(winner.row, metric, split="test")[0] for metric in shown("headline")}
    metrics = [f"{metric.title} {metric.text(value)}" for metric, value in values.items() if value is not None]
    return [*lines, f"The winner is tested: {', '.join(metrics)} on the test split."]


def _number(scores: Sequence[float]) -> str:
    return f"{mean(scores):.4f}" + (f" ± {stdev(scores):.4f}" if len(scores) > 1 else "")


def command_that_tests(runs: Sequence[Run]) -> str:
    """One shell command that tests finished runs on their test split."""
    words = [_resume(run.path) for run in runs]
    if len(words) == 1:
        return f"python -m agegender.train {words[0]} test=true"
    return f'for run in {" ".join(words)}; do python -m agegender.train "$run" test=true; done'


def _resume(path: Path) -> str:
    """The override that resumes a run, quoted for Hydra and for the shell."""
    name = _shown(path)
    if not PLAIN.fullmatch(name):
        name = "'" + name.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return shlex.quote(f"resume={name}")


def _shown(path: Path) -> str:
    """A path relative to the working directory if it is inside, otherwise absolute."""
    here = path.resolve()
    return os.path.relpath(here) if here.is_relative_to(Path.cwd()) else str(here)
