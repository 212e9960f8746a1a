"""Reads what earlier versions wrote: ``metrics.json`` of schemas 1 and 2, and ``paper:`` blocks with the names of schema 1.

Schema 2 has the keys of schema 3, but fewer of them: a metric of a later version is absent, not None.

Schema 1 nested metrics by task, as ``age.mae`` or ``gender.by_class.female.recall``. Its ``history.csv`` already had
today's keys.
"""

from collections.abc import Mapping
from typing import Any

SCHEMA = 3  # of metrics.json
NAMES = {key: f"age_{key}" for key in ("mae", "distance", "rmse", "cs5", "class_accuracy")}
AGE = NAMES | {"mae_ci95": "age_mae_ci95", "n": "n_age", "n_exact": "n_exact_age"}
GENDER = {key: f"gender_{key}" for key in ("accuracy", "accuracy_ci95", "precision", "recall", "f1")} | {"n": "n_gender"}
RANGES = ("accuracy", "accuracy_ci95", "balanced_accuracy", "one_off")
GROUP = {"mae": "age_mae", "distance": "age_distance", "range_accuracy": "age_range_accuracy", "n_exact": "n_exact_age"}
DECADE = {"mae": "age_mae", "bias": "age_bias", "n_exact": "n_exact_age"}
OF_ONE_GENDER = [f"{key}_{gender}" for key in ("precision", "recall", "f1") for gender in ("female", "male")]
PAPER = NAMES | {key: f"gender_{key}" for key in OF_ONE_GENDER}
NINE = ["0-2", "3-9", "10-19", "20-29", "30-39", "40-49", "50-59", "60-69", "70+"]


def current_metrics(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a ``metrics.json``, translated if it has schema 1.

    Raises:
        ValueError: It has a later schema than this version knows.
    """
    schema = content.get("schema", 2)
    if schema > SCHEMA:
        raise ValueError(f"schema {schema}: this version reads 1 to {SCHEMA}")
    if schema > 1:
        return dict(content) | ({"schema": SCHEMA} if "schema" in content else {})
    split = dict(content.get("split") or {})
    result: dict[str, Any] = {"schema": SCHEMA, "tested": split.pop("part", None), "split": split}
    split.pop("n", None)
    result["age_classes"] = _first_years(content.get(result["tested"]) or {})
    result |= {key: value for key, value in content.items() if key not in ("schema", "split")}
    result |= {name: _split(content[name]) for name in ("train", "val", "test") if name in content}
    return result | ({"baseline": _baseline(content["baseline"])} if "baseline" in content else {})


def current_paper(paper: Any) -> Any:
    """A ``paper:`` block. Its ``figures`` become ``metrics``, with today's keys."""
    if not isinstance(paper, Mapping) or "figures" not in paper:
        return paper
    metrics = paper["figures"]
    if isinstance(metrics, Mapping):
        metrics = {split: _renamed(values, PAPER, keep=True) for split, values in metrics.items()}
    return {key: value for key, value in paper.items() if key != "figures"} | {"metrics": metrics}


def _first_years(old: Mapping[str, Any]) -> list[int]:
    """First year of each age class, from names such as 0-25 and 26+."""
    names = ((old.get("age") or {}).get("classes") or {}).get("names") or ()
    return [int(name.removesuffix("+").split("-")[0]) for name in names]


def _renamed(values: Any, names: Mapping[str, str], keep: bool = False) -> Any:
    """The values under other names; ``keep`` also keeps those without another name."""
    if not isinstance(values, Mapping):
        return values
    return {names.get(key, key): value for key, value in values.items() if keep or key in names}


def _split(old: Mapping[str, Any]) -> dict[str, Any]:
    """Metrics of one split, or of the epoch that was tested."""
    age, gender = old.get("age") or {}, old.get("gender") or {}
    new = {key: value for key, value in old.items() if key in ("n", "epoch")} | _renamed(age, AGE) | _renamed(gender, GENDER)
    confusions = {}
    for key, values, names in ("range", age.get("ranges"), NINE), ("class", age.get("classes"), None):
        if values:
            new |= {f"age_{key}_{name}": values[name] for name in RANGES if name in values} | {f"n_age_{key}": values.get("n")}
            if values.get("n") and "confusion" in values:
                confusions[f"age_{key}"] = {"names": names or values.get("names"), "counts": values["confusion"]}
    for label, values in (gender.get("by_class") or {}).items():
        new |= {f"gender_{key}_{label}": values[key] for key in ("precision", "recall", "f1") if key in values}
    if gender.get("n") and "confusion" in gender:
        confusions["gender"] = {"names": ["male", "female"], "counts": gender["confusion"]}
    new |= {"confusions": confusions} if confusions else {}
    decades = {
        name: row | {"n_exact": row.get("n")} for name, row in (age.get("by_decade") or {}).items()
    }  # of exact ages only
    groups = {"age_decade": {name: _renamed(row, DECADE, keep=True) for name, row in decades.items()}}
    for kind, rows in (old.get("by_group") or {}).items():
        groups[kind] = {name: _renamed(row, GROUP, keep=True) for name, row in rows.items()}
    new |= {"by_group": groups} if any(groups.values()) else {}
    datasets = {name: _split(values) for name, values in (old.get("by_dataset") or {}).items()}
    return new | ({"by_dataset": datasets} if datasets else {})


def _baseline(old: Mapping[str, Any]) -> dict[str, Any]:
    age, gender = old.get("age") or {}, old.get("gender") or {}
    guess = {task: values["guess"] for task, values in (("age", age), ("gender", gender)) if "guess" in values}
    new = {"guess": guess, **_renamed(age, AGE), **_renamed(gender, GENDER)}
    datasets = {name: _baseline(values) for name, values in (old.get("by_dataset") or {}).items()}
    return new | ({"by_dataset": datasets} if datasets else {})
