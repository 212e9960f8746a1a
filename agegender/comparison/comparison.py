"""Rows of one table: only models that were tested on the same faces stand in one, and reference figures below them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from statistics import mean, stdev
from typing import Any

import numpy as np
import pandas as pd

from agegender.comparison.differences import Pair, differences
from agegender.comparison.per_face import per_face
from agegender.comparison.protocol import beside
from agegender.comparison.rows import Row, name_apart
from agegender.metrics.ranges import NINE, ranges_of_labels
from agegender.regular_files import open_text
from agegender.runs.finished_run import Run
from agegender.runs.run_directory import RunDirectory

Record = dict[str, Any]
MAIN = ("mae", "distance", "rmse", "cs5", "class_accuracy", "gender_accuracy")
GAPS = ("mae", "class_accuracy", "gender_accuracy")
GUESS = "guessing median and majority"
HUMANS = ("humans, faces over 15 years *", (7.2, 7.4))
HUMANS_NOTE = "* As Sheoran, Joshi and Bhayani (2021) quote it: of other faces than these, not to be ranked with them."


@dataclass
class Comparison:
    """Rows tested on the same faces, the best first.

    Args:
        rows: With the same ``test_sets``.
        classes: First year of each age class that ``class_accuracy`` is about; empty: none.
        by_class: Ranked by age classes, since these are what all heads tell apart, and not by years.
        pairs: Every pair of rows, whether it differs more than by chance.
    """

    rows: list[Row]
    classes: tuple[int, ...] = ()
    by_class: bool = False
    pairs: list[Pair] = field(default_factory=list)

    @property
    def sample(self) -> Run:
        """One of the runs, for what all of them share."""
        return self.rows[0].runs[0]


def comparisons(rows: Sequence[Row], classes: Sequence[int] | None = None) -> list[Comparison]:
    """Puts rows into tables by their test faces, names and ranks each table and tests its differences.

    Args:
        rows: Any.
        classes: First year of each age class; None chooses for each table.
    """
    result = []
    for group in _tables(rows):
        name_apart(group)
        chosen = _classes(group) if classes is None else tuple(classes)
        by_class = bool(chosen) and {row.edges for row in group} == {chosen}
        ranked = sorted(group, key=lambda row: _rank(row, chosen, by_class))
        result.append(Comparison(ranked, chosen, by_class, differences(ranked, chosen)))
    return result


def _classes(rows: Sequence[Row]) -> tuple[int, ...]:
    """Those of the heads, if they agree; where labels are ranges and no head has classes, the nine that FairFace's are."""
    edges = {row.edges for row in rows} - {()}
    exact, known = ([over_seeds(row, name)[0] is not None for row in rows] for name in ("mae", "distance"))
    if not edges and any(known) and not any(exact):
        return NINE
    return edges.pop() if len(edges) == 1 else ()


def _tables(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows that share test sets, each reduced to the runs on the shared ones.

    Where some rows have seeds, and so test sets, that others lack, the table of all holds what they share, and those with
    more have a table of their own if there are several of them.
    """
    sets = [frozenset(row.test_sets) for row in rows]
    largest: dict[tuple[int, ...], frozenset[str]] = {}
    for shared in dict.fromkeys(one & other for one in sets for other in sets if one & other):
        members = tuple(index for index, own in enumerate(sets) if shared <= own)
        largest[members] = max(largest.get(members, shared), shared, key=len)
    together = {index for members in largest if len(members) > 1 for index in members}
    kept = [members for members in largest if len(members) > 1 or members[0] not in together]
    return [[_only_on(largest[members], rows[index]) for index in members] for members in sorted(kept)]


def _only_on(test_sets: frozenset[str], row: Row) -> Row:
    return replace(
        row,
        runs=[run for run in row.runs if run.test_set in test_sets],
        unshared=[run for run in row.runs if run.test_set not in test_sets],
    )


def _rank(row: Row, classes: Sequence[int], by_class: bool) -> tuple[float, ...]:
    """Smallest error first; a row without a figure comes after those that have it."""
    error, distance = (over_seeds(row, name)[0] for name in ("mae", "distance"))
    wrong, other = (1 - (over_seeds(row, name, classes)[0] or 0) for name in ("class_accuracy", "gender_accuracy"))
    return (wrong if by_class else 0, *(np.inf if value is None else value for value in (error, distance)), other)


def figure(run: Run, name: str, classes: Sequence[int] = (), part: str | None = None, last: bool = False) -> float | None:
    """A figure of a run's tested part, or of another one, by its name in tables; see ``Run.figure``."""
    if name != "class_accuracy":
        return run.figure(name, part, last)
    faces = None if last else per_face(name, run.faces(part), classes)
    if faces is not None:
        return float(np.nanmean(faces))
    return run.figure(name, part, last) if classes and run.edges == tuple(classes) else None


def over_seeds(
    row: Row, name: str, classes: Sequence[int] = (), part: str | None = None, last: bool = False
) -> tuple[float | None, float | None]:
    """Mean and standard deviation of a figure over the seeds of a row; None where it was not measured, or once only."""
    return _mean_and_sd([figure(run, name, classes, part, last) for run in row.runs])


def _mean_and_sd(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None, None
    return mean(known), stdev(known) if len(known) > 1 else None


def _gap(run: Run, name: str, classes: Sequence[int]) -> float | None:
    """How much better the training part is, in the epoch tested: years of error, or share of right answers."""
    val, train = (figure(run.origin, name, classes, part) for part in ("val", "train"))
    if val is None or train is None:
        return None
    return val - train if name == "mae" else train - val


def record(row: Row, classes: Sequence[int]) -> Record:
    """Everything a table may show of a row, as numbers."""
    runs, first = row.runs, row.runs[0]
    counts = {
        "train": [run.origin.count("train") for run in runs],
        "val": [run.origin.count("val") for run in runs],
        "test": [run.count(run.part) if run.part == "test" else 0 for run in runs],
    }
    entry: Record = {
        "name": row.name,
        "trained_on": "+".join(first.origin.sources),
        "tested_on": "+".join(first.sources),
        "split": _each(run.metrics["split"]["name"] for run in runs),
        "split_sha256": _each(run.metrics["split"]["sha256"] for run in runs),
        "age_range": "-".join(f"{age:g}" for age in first.config["age_range"]),
        "part": first.part,
        **{f"n_{part}": _each(map(str, numbers)) for part, numbers in counts.items()},
        "seeds": len(runs),
    }
    for name in MAIN:
        entry[name], entry[f"{name}_sd"] = over_seeds(row, name, classes)
    for name in GAPS:
        entry[f"gap_{name}"], entry[f"gap_{name}_sd"] = _mean_and_sd([_gap(run, name, classes) for run in runs])
    for name in ("parameters", "trainable", "flops", "latency_ms"):
        entry[name] = first.model.get(name)
    entry["train_seconds"] = _mean_and_sd([run.train_seconds for run in runs])[0]
    if row.paper:
        protocol = beside(row.paper, first)
        entry |= {"paper": row.paper.get("title"), "system": row.paper.get("system")}
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


def references(comparison: Comparison) -> list[Record]:
    """Rows that are no models: guessing, on the same faces, and people, on others."""
    runs = comparison.rows[0].runs
    guesses: dict[str, float | None] = {}
    for task, key, name in ("age", "mae", "mae"), ("age", "distance", "distance"), ("gender", "accuracy", "gender_accuracy"):
        measured = any(over_seeds(row, name)[0] is not None for row in comparison.rows)
        values = [((run.metrics.get("baseline") or {}).get(task) or {}).get(key) for run in runs]
        guesses[name] = _mean_and_sd(values)[0] if measured else None
    guesses["class_accuracy"] = _mean_and_sd([_majority_class(run, comparison.classes) for run in runs])[0]
    rows: list[Record] = [{"name": GUESS, **guesses}]
    real = "toyfaces" not in comparison.sample.sources
    if real and any(over_seeds(row, "mae")[0] is not None for row in comparison.rows):
        rows.append({"name": HUMANS[0], "mae": HUMANS[1]})
    return rows


def _majority_class(run: Run, classes: Sequence[int]) -> float | None:
    """The share of tested faces in the age class that most training faces of the same split are in."""
    if not classes:
        return None
    try:
        with open_text(RunDirectory(run.path).split) as file:
            faces = pd.read_csv(file, usecols=["split", "age_low", "age_high"])
        parts = [faces[faces["split"] == part].astype({"age_low": float, "age_high": float}) for part in ("train", run.part)]
    except (OSError, ValueError):
        return None
    train, tested = (ranges_of_labels(part["age_low"], part["age_high"], classes) for part in parts)
    train, tested = train[train >= 0], tested[tested >= 0]
    return float((tested == np.bincount(train).argmax()).mean()) if len(train) and len(tested) else None
