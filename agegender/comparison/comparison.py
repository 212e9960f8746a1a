"""Tables of models that were tested on the same faces, best first, with baselines below them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from statistics import mean, stdev
from typing import Any

import numpy as np
import pandas as pd

from agegender.comparison import trust
from agegender.comparison.differences import Pair, differences
from agegender.comparison.protocol import beside
from agegender.comparison.rows import Row, name_apart
from agegender.evaluation.measured_faces import predictions_of
from agegender.metrics.measure import measure
from agegender.metrics.metric import Metric
from agegender.metrics.ranges import NINE, ranges_of_labels
from agegender.metrics.registry import AGE_CLASS, BY_KEY, shown
from agegender.regular_files import open_text
from agegender.runs.finished_run import Run
from agegender.runs.run_directory import RunDirectory

Record = dict[str, Any]
MAE, DISTANCE, CLASS_ACCURACY = (BY_KEY[key] for key in ("age_mae", "age_distance", "age_class_accuracy"))
GUESS = "predicting median and majority"
HUMANS = ("humans, faces over 15 years *", (7.2, 7.4))
HUMANS_NOTE = "* As quoted by Sheoran, Joshi and Bhayani (2021), on other faces than these: not comparable with the rows above."


@dataclass
class Comparison:
    """Rows tested on the same faces, the best first.

    Args:
        rows: With the same ``test_sets``.
        classes: First year of each age class that ``age_class_accuracy`` is about; empty if there are none.
        by_class: The rows are ranked by age classes instead of years, because every head has these classes.
        pairs: The difference of every pair of rows, tested against chance.
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
    """Puts rows into tables by their test faces, names and ranks the rows of each and tests their differences.

    Args:
        rows: Of any runs.
        classes: First year of each age class; None chooses for each table.
    """
    result = []
    for group in _tables(rows):
        name_apart(group)
        chosen = _classes(group) if classes is None else tuple(classes)
        by_class = bool(chosen) and {row.age_classes for row in group} == {chosen}
        ranked = sorted(group, key=lambda row: _rank(row, chosen, by_class))
        result.append(Comparison(ranked, chosen, by_class, differences(ranked, chosen)))
    return result


def _classes(rows: Sequence[Row]) -> tuple[int, ...]:
    """The classes of the heads, if they agree; FairFace's nine ranges, if all labels are ranges and no head has classes."""
    found = {row.age_classes for row in rows} - {()}
    exact, known = ([over_seeds(row, metric)[0] is not None for row in rows] for metric in (MAE, DISTANCE))
    if not found and any(known) and not any(exact):
        return NINE
    return found.pop() if len(found) == 1 else ()


def _tables(rows: Sequence[Row]) -> list[list[Row]]:
    """Puts rows into tables by common test sets.

    A table keeps only the runs on test sets that all its rows have. If some of its rows have more test sets in common,
    these rows get a second table too.
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
    """The headline metrics as a key to sort by, best first; a row without a metric comes after those that have it."""
    metrics = [metric for metric in shown("headline") if metric.needs is not AGE_CLASS]
    values = ((metric, over_seeds(row, metric, classes)[0]) for metric in [*([CLASS_ACCURACY] if by_class else []), *metrics])
    return tuple(np.inf if value is None else metric.badness(value) for metric, value in values)


def value_of(
    run: Run, metric: Metric, classes: Sequence[int] = (), split: str | None = None, last: bool = False
) -> float | None:
    """A metric of a run, as ``Run.metric`` gives it; what was not recorded is measured from the predictions.

    Args:
        run: If it did not record the metric, because it is older or its head has other age classes, the metric is
            computed from its predictions.
        metric: Of the registry.
        classes: First year of each age class.
        split: ``train``, ``val`` or ``test``; None for the tested one.
        last: Of the last epoch instead of the tested one.
    """
    recorded = metric.needs is not AGE_CLASS or (run.age_classes == tuple(classes) and len(classes) > 0)
    value = run.metric(metric.key, split, last) if recorded else None
    faces = None if value is not None or last else run.faces(split)
    return value if faces is None else measure(predictions_of(faces, classes), [metric]).get(metric.key)


def over_seeds(
    row: Row, metric: Metric, classes: Sequence[int] = (), split: str | None = None, last: bool = False
) -> tuple[float | None, float | None]:
    """Mean and standard deviation of a metric over the seeds and folds of a row; None if it was not measured, or only once."""
    return _mean_and_sd([value_of(run, metric, classes, split, last) for run in row.runs])


def _mean_and_sd(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None, None
    return mean(known), stdev(known) if len(known) > 1 else None


def _gap(run: Run, metric: Metric, classes: Sequence[int]) -> float | None:
    """How much better the training metric is than the validation metric, in the tested epoch."""
    val, train = (value_of(run.origin, metric, classes, split) for split in ("val", "train"))
    if val is None or train is None:
        return None
    return metric.badness(val) - metric.badness(train)


def record(row: Row, classes: Sequence[int]) -> Record:
    """What a table may show of a row, as numbers and names."""
    runs, first = row.runs, row.runs[0]
    counts = {
        "train": [run.origin.count("train") for run in runs],
        "val": [run.origin.count("val") for run in runs],
        "test": [run.count(run.tested) if run.tested == "test" else 0 for run in runs],
    }
    entry: Record = {
        "name": row.name,
        "trained_on": first.trained_on,
        "tested_on": "+".join(first.sources),
        "split": _distinct(run.metrics["split"]["name"] for run in runs),
        "split_sha256": _distinct(run.metrics["split"]["sha256"] for run in runs),
        "age_range": "-".join(f"{age:g}" for age in first.config["age_range"]),
        "tested": first.tested,
        **{f"n_{split}": _distinct(map(str, numbers)) for split, numbers in counts.items()},
        "seeds": len({(run.seed, run.origin.split_draw[0]) for run in runs}) if row.folds else len(runs),
        "folds": f"{len(row.folds)}{f' of {first.folds}' if first.folds else ''}" if row.folds else "",
    }
    for metric in shown("table"):
        entry[metric.key], entry[f"{metric.key}_sd"] = over_seeds(row, metric, classes)
    for metric in shown("headline"):
        gap = f"gap_{metric.key}"
        entry[gap], entry[f"{gap}_sd"] = _mean_and_sd([_gap(run, metric, classes) for run in runs])
    for metric in trust.METRICS:
        entry[f"group_gap_{metric.key}"] = _mean_and_sd([trust.group_gap(run, metric.key) for run in runs])[0]
    entry["interval_width_90"] = _mean_and_sd([trust.interval_width(run) for run in runs])[0]
    for name in ("parameters", "trainable", "flops", "latency_ms"):
        entry[name] = first.model.get(name)
    entry["train_seconds"] = _mean_and_sd([run.train_seconds for run in runs])[0]
    if row.paper:
        protocol = beside(row.paper, first)
        entry |= {"paper": row.paper.get("title"), "system": row.paper.get("system")}
        entry |= {f"paper_{split}_{metric.key}": value for split, metric, value in published(row)}
        entry |= {"protocol": protocol.mark, "protocol_differs": "; ".join(protocol.differs)}
    entry["runs"] = " ".join(str(run.path) for run in runs)
    return entry


def _distinct(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(values))


def published(row: Row) -> list[tuple[str, Metric, float]]:
    """Split, metric and value of everything that the paper of the row prints."""
    metrics = (row.paper or {}).get("metrics") or {}
    return [(split, BY_KEY[key], value) for split, values in metrics.items() for key, value in values.items()]


def references(comparison: Comparison) -> list[Record]:
    """Rows that are not models: constant predictions on the same faces, and people on other faces."""
    runs = comparison.rows[0].runs
    guesses: Record = {"name": GUESS}
    for metric in shown("table"):
        measured = any(over_seeds(row, metric, comparison.classes)[0] is not None for row in comparison.rows)
        values = [_guess(run, metric, comparison.classes) for run in runs] if measured else []
        guesses[metric.key] = _mean_and_sd(values)[0]
    rows = [guesses]
    real = "toyfaces" not in comparison.sample.sources
    if real and any(over_seeds(row, MAE)[0] is not None for row in comparison.rows):
        rows.append({"name": HUMANS[0], MAE.key: HUMANS[1]})
    return rows


def _guess(run: Run, metric: Metric, classes: Sequence[int]) -> float | None:
    if metric is CLASS_ACCURACY:
        return _majority_class(run, classes)
    return (run.metrics.get("baseline") or {}).get(metric.key)


def _majority_class(run: Run, classes: Sequence[int]) -> float | None:
    """The share of tested faces in the age class that most training faces of the same split are in."""
    if not classes:
        return None
    try:
        with open_text(RunDirectory(run.path).split) as file:
            faces = pd.read_csv(file, usecols=["split", "age_low", "age_high"])
        splits = [faces[faces["split"] == name].astype({"age_low": float, "age_high": float}) for name in ("train", run.tested)]
    except (OSError, ValueError):
        return None
    train, tested = (ranges_of_labels(split["age_low"], split["age_high"], classes) for split in splits)
    train, tested = train[train >= 0], tested[tested >= 0]
    return float((tested == np.bincount(train).argmax()).mean()) if len(train) and len(tested) else None
