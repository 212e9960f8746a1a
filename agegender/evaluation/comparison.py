"""Rows of one table: only models that were tested on the same faces stand in one, and reference figures below them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import mean, stdev
from typing import Any

import numpy as np

from agegender.evaluation.differences import Pair, differences, per_face
from agegender.evaluation.protocol import Protocol, beside
from agegender.evaluation.rows import Row, name_apart
from agegender.evaluation.runs import Run

Record = dict[str, Any]
FIGURES = ("mae", "distance", "rmse", "cs5", "gender_accuracy", "class_accuracy")
GUESS = "guessing median and majority"
HUMANS = ("humans, faces over 15 years *", (7.2, 7.4))
HUMANS_NOTE = "* As Sheoran, Joshi and Bhayani (2021) quote it: of other faces than these, not to be ranked with them."


@dataclass
class Comparison:
    """Rows tested on the same faces, the best first.

    Args:
        rows: With the same ``test_sets``.
        classes: First year of each age class that ``class_accuracy`` is about; empty: none.
        pairs: Every pair of rows, whether it differs more than by chance.
    """

    rows: list[Row]
    classes: tuple[int, ...] = ()
    pairs: list[Pair] = field(default_factory=list)

    @property
    def sample(self) -> Run:
        """One of the runs, for what all of them share."""
        return self.rows[0].runs[0]


def comparisons(rows: Sequence[Row], classes: Sequence[int] | None = None) -> list[Comparison]:
    """Groups rows by their test faces, names and ranks each group and tests its differences.

    Args:
        rows: Any.
        classes: First year of each age class; None takes those of the heads of a group, if they agree.
    """
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(row.test_sets, []).append(row)
    result = []
    for group in groups.values():
        name_apart(group)
        edges = {tuple(row.runs[0].config.get("head", {}).get("edges") or ()) for row in group} - {()}
        chosen = tuple(classes) if classes is not None else edges.pop() if len(edges) == 1 else ()
        ranked = sorted(group, key=lambda row: _rank(row, chosen))
        result.append(Comparison(ranked, chosen, differences(ranked, chosen)))
    return result


def _rank(row: Row, classes: Sequence[int]) -> tuple[float, ...]:
    """Smallest error first; a row without a figure comes after those that have it."""
    error, distance, accuracy = (over_seeds(row, name, classes)[0] for name in ("mae", "distance", "gender_accuracy"))
    return tuple(np.inf if value is None else value for value in (error, distance, None if accuracy is None else -accuracy))


def figure(run: Run, name: str, classes: Sequence[int] = (), part: str | None = None) -> float | None:
    """A figure of a run's tested part, or of another one, by its name in tables."""
    if name != "class_accuracy":
        return run.figure(name, part)
    faces = per_face(name, run.faces(part), classes)
    return None if faces is None else float(np.nanmean(faces))


def over_seeds(row: Row, name: str, classes: Sequence[int] = (), part: str | None = None) -> tuple[float | None, float | None]:
    """Mean and standard deviation of a figure over the seeds of a row; None where it was not measured, or once only."""
    return _mean_and_sd([figure(run, name, classes, part) for run in row.runs])


def _mean_and_sd(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None, None
    return mean(known), stdev(known) if len(known) > 1 else None


def _gap(run: Run, name: str) -> float | None:
    """How much better the training part is, in the epoch tested: years of error, or share of right genders."""
    val, train = run.figure(name, "val"), run.figure(name, "train")
    if val is None or train is None:
        return None
    return val - train if name == "mae" else train - val


def record(row: Row, classes: Sequence[int]) -> Record:
    """Everything a table may show of a row, as numbers."""
    runs, first = row.runs, row.runs[0]
    entry: Record = {
        "name": row.name,
        "data": "+".join(first.config["data"]["sources"]),
        "split": _each(run.metrics["split"]["name"] for run in runs),
        "split_sha256": _each(run.metrics["split"]["sha256"] for run in runs),
        "age_range": "-".join(f"{age:g}" for age in first.config["age_range"]),
        "part": first.part,
        **{f"n_{part}": _each(str(run.count(part)) for run in runs) for part in ("train", "val", "test")},
        "seeds": len(runs),
    }
    for name in FIGURES:
        entry[name], entry[f"{name}_sd"] = over_seeds(row, name, classes)
    for name in ("mae", "gender_accuracy"):
        entry[f"gap_{name}"], entry[f"gap_{name}_sd"] = _mean_and_sd([_gap(run, name) for run in runs])
    for name in ("parameters", "trainable", "flops", "latency_ms"):
        entry[name] = first.model.get(name)
    entry["train_seconds"] = _mean_and_sd([run.train_seconds for run in runs])[0]
    if row.paper:
        entry["paper"] = row.paper.get("title")
        protocol = beside(row.paper, first)
        entry |= {f"paper_{part}_{name}": value for part, name, value in published(row)}
        entry |= {"protocol": protocol.mark, "protocol_differs": "; ".join(protocol.differs)}
    entry["runs"] = " ".join(str(run.path) for run in runs)
    return entry


def _each(values: Any) -> str:
    return ", ".join(dict.fromkeys(values))


def published(row: Row) -> list[tuple[str, str, float]]:
    """Part, name and value of each figure that the row's paper prints."""
    figures = (row.paper or {}).get("figures") or {}
    return [(part, name, value) for part, named in figures.items() for name, value in named.items()]


def protocol_of(row: Row) -> Protocol:
    """The paper's protocol beside that of the row's first run."""
    return beside(row.paper or {}, row.runs[0])


def references(comparison: Comparison) -> list[Record]:
    """Rows that are no models: guessing, on the same faces, and people, on others."""
    runs = comparison.rows[0].runs
    guesses: dict[str, float | None] = {}
    for task, key, name in ("age", "mae", "mae"), ("age", "distance", "distance"), ("gender", "accuracy", "gender_accuracy"):
        measured = any(over_seeds(row, name)[0] is not None for row in comparison.rows)
        values = [((run.metrics.get("baseline") or {}).get(task) or {}).get(key) for run in runs]
        guesses[name] = _mean_and_sd(values)[0] if measured else None
    rows: list[Record] = [{"name": GUESS, **guesses}]
    real = "toyfaces" not in comparison.sample.config["data"]["sources"]
    if real and any(over_seeds(row, "mae")[0] is not None for row in comparison.rows):
        rows.append({"name": HUMANS[0], "mae": HUMANS[1]})
    return rows
