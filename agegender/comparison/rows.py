"""Runs that differ only in their seed or fold are one row of a table. It has a given name, or is named by its own settings."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from agegender.configuration.paper import paper_on
from agegender.configuration.path_arguments import path_arguments
from agegender.configuration.settings import DataSettings
from agegender.runs.finished_run import Run

# Settings that do not put runs into different rows: names, and how the machine is used. For input files see ``_flat``.
FOLD = "split.number"
DEFAULTS = {"views": "one"}  # of settings that runs of earlier versions lack
IGNORED = {"name", "paper", "resume", "init_from", "seen", "logger", "test", "compile"}
IGNORED_ANYWHERE = {"seed", "cache", "num_workers", "download", "draw", "missing", "log_every_n_steps"}
# All other keys of the data section are copied into its sources, so they would be counted twice.
DATA_KEYS = {"sources", *(one.name for one in fields(DataSettings))}
WATCHERS = {"callbacks.history", "callbacks.layers", "callbacks.progress", "callbacks.throughput"}  # they only record
PREDICTED = {"age_pred": 1e-3, "probability_female": 1e-4}  # tolerance between predictions of the same model
TRAINED_ON = "data.sources._target_"  # names of all sources; their other settings follow from it
EARLIER = "earlier"  # start of the keys of earlier trainings, which only runs with init_from have

MANY = 4  # items of a list; of a longer one only the first two and the last are shown


@dataclass
class Row:
    """Runs of one configuration, by seed and fold.

    Args:
        settings: What they have in common, by dotted key.
        runs: At least one.
        apart: The place of its data, weights or runs, if that alone distinguishes it from rows with the same settings.
        unshared: Runs that are not in this table, because not all of its rows were tested on their faces.
        name: In its table; see ``name_apart``.
    """

    settings: dict[str, Any]
    runs: list[Run] = field(default_factory=list)
    apart: str = ""
    unshared: list[Run] = field(default_factory=list)
    name: str = ""

    @property
    def test_sets(self) -> tuple[str, ...]:
        """The sets of faces it was tested on: one, or one for each fold, and for each seed if the seed also makes the split."""
        return tuple(sorted({run.test_set for run in self.runs}))

    @property
    def folds(self) -> tuple[int, ...]:
        """Numbers of the tested folds; empty without folds."""
        return tuple(sorted({run.fold for run in self.runs if run.fold is not None}))

    @property
    def retested(self) -> int:
        """Number of faces that are in the test sets of several folds, as in a benchmark; 0 without predictions."""
        sets = [faces for faces in {run.test_set: run.faces() for run in self.runs}.values() if faces is not None]
        tested = Counter(face for faces in sets for face in zip(faces["dataset"], faces["path"], strict=True))
        return sum(times > 1 for times in tested.values()) if self.folds else 0

    @property
    def paper(self) -> dict[str, Any] | None:
        """The ``paper`` block of the configuration, for its datasets; None for a test on other data."""
        run = self.runs[0]
        paper = None if run.elsewhere else run.config.get("paper")
        return paper_on(paper, run.sources) if paper else None

    @property
    def age_classes(self) -> tuple[int, ...]:
        """First year of each age class of the head; empty if it has none."""
        return self.runs[0].age_classes


def rows_of(runs: Sequence[Run]) -> tuple[list[Row], list[str]]:
    """Groups runs into rows: the same configuration and tested data, different seeds or folds.

    A second run with the same seed is a repeat if it has the same predictions; otherwise it is a row of its own. Runs with
    other test faces, but the same seed of the split, are rows of their own, too.

    Returns:
        The rows, in order of their first run; and a line for each repeat, which is not counted.
    """
    alike: dict[str, tuple[dict[str, Any], list[Run]]] = {}
    for run in runs:
        settings = settings_of(run.origin)
        key = f"{run.config.get('name')} {settings} {run.sources} {run.tested}"
        alike.setdefault(key, (settings, []))[1].append(run)
    rows, repeats = [], []
    for settings, group in alike.values():
        kept: list[Run] = []
        for run in group:
            first = next((other for other in kept if _repeats(other, run)), None)
            if first is None:
                kept.append(run)
            else:
                repeats.append(f"{run.path}: repeats {first.path}, the same configuration and seed, and is not counted twice")
        own = [Row(settings, members) for members in _joined(kept)]
        _tell_apart(own)
        rows += own
    return rows, repeats


def settings_of(run: Run) -> dict[str, Any]:
    """The settings of a run, by dotted key, then those of the earlier trainings that it starts from."""
    settings = dict(sorted(_flat(run.config)))
    if run.chain:
        settings[TRAINED_ON] = run.trained_on
    for number, stage in enumerate(reversed(run.chain), 1):
        flat = [("sha256", stage.sha256)] if stage.config is None else sorted(_flat(stage.config))
        settings |= {f"{EARLIER}{number}.{key}": value for key, value in flat}
    return settings


def _repeats(first: Run, run: Run) -> bool:
    if (first.draw, first.test_set) != (run.draw, run.test_set):
        return False
    before, now = first.faces(), run.faces()
    if before is None or now is None:
        return _places(first) == _places(run)
    return all(
        (name in before) == (name in now) and (name not in now or np.allclose(before[name], now[name], rtol=0, atol=near))
        for name, near in PREDICTED.items()
    )


def _joined(runs: Sequence[Run]) -> list[list[Run]]:
    """Joins seeds: first runs with files in the same places, then whole groups of them."""
    by_place: dict[str, list[list[Run]]] = {}
    for run in runs:
        here = by_place.setdefault(str(_places(run)), [])
        fitting = next((members for members in here if _fits(members, run)), None)
        here.append([run]) if fitting is None else fitting.append(run)
    found: list[list[Run]] = []
    for members in (members for here in by_place.values() for members in here):
        fitting = next((before for before in found if all(_fits(before, run) for run in members)), None)
        found.append(members) if fitting is None else fitting.extend(members)
    return found


def _fits(members: Sequence[Run], run: Run) -> bool:
    """Whether a run is another seed or fold of these: none twice, and other test faces only with another one of the split."""
    return all(
        other.draw != run.draw and (other.split_draw != run.split_draw or other.test_set == run.test_set) for other in members
    )


def _places(run: Run) -> dict[str, str]:
    """The run's input files and folders, by dotted key."""
    return {one.key: one.path for one in path_arguments(run.config) if one.kind != "output" and one.path}


def _tell_apart(rows: Sequence[Row]) -> None:
    """Sets ``apart`` of rows with the same settings: the path of their data or weights, else their folders."""
    if len(rows) < 2:
        return
    places = [_places(row.runs[0]) for row in rows]
    differing = next((key for key in places[0] if len({place.get(key) for place in places}) == len(rows)), None)
    ends = _ends(
        [place.get(differing, "") if differing else str(row.runs[0].path) for row, place in zip(rows, places, strict=True)]
    )
    for row, end in zip(rows, ends, strict=True):
        row.apart = f"{differing.rpartition('.')[2]}={end}" if differing else end


def _ends(paths: Sequence[str]) -> list[str]:
    """The last two parts of each path, or as many as make them different."""
    parts = [Path(path).parts for path in paths]
    for count in range(2, max(map(len, parts)) + 1):
        ends = ["/".join(one[-count:]).replace("//", "/") for one in parts]
        if len(set(ends)) == len(set(paths)):
            return ends
    return list(paths)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        name = f"{path}.{key}" if path else str(key)
        if isinstance(item, Mapping):
            yield from _leaves(item, name)
        else:
            yield name, item


def _flat(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Dotted keys and values that make another row. Of an input file only the name counts, and an input folder does not."""
    yield TRAINED_ON, "+".join(config["data"]["sources"])
    kinds = {argument.key: argument.kind for argument in path_arguments(config)}
    data = {key: value for key, value in config["data"].items() if key in DATA_KEYS}
    for name, item in _leaves({key: item for key, item in {**config, "data": data}.items() if key not in IGNORED}):
        *sections, last = name.split(".")
        if item is None or name == FOLD or DEFAULTS.get(name) == item:
            continue
        if IGNORED_ANYWHERE & {*sections, last} or ".".join(sections[:2]) in WATCHERS:
            continue
        kind = kinds.get(name)
        if kind in (None, "file"):
            yield name, Path(item).name if kind else item


def name_apart(rows: Sequence[Row]) -> None:
    """Names the rows of one table: by the given names of their runs, else by the settings that differ."""
    given = [row.runs[0].config.get("name") for row in rows]
    keys = _differing([row for row in rows if not row.runs[0].is_audit])
    for row, own in zip(rows, given, strict=True):
        apart = ", ".join([_word(key, row.settings[key]) for key in keys if key in row.settings])
        own = own if own and given.count(own) == 1 else ": ".join(filter(None, [own, apart]))
        row.name = ", ".join(filter(None, [own, row.apart])) or row.runs[0].path.name
    names = [row.name for row in rows]
    for row, end in zip(rows, _ends([str(row.runs[0].path) for row in rows]), strict=True):
        if names.count(row.name) > 1:  # as of a row that lacks a setting of the others
            row.name += f" ({end})"


def _differing(rows: Sequence[Row]) -> list[str]:
    """Keys with different values, without those that follow from another key; data, head and other classes come first."""
    known = dict.fromkeys(key for row in rows for key in row.settings)
    differing = [key for key in known if _differs(key, rows)]
    classes = [key for key in differing if key.endswith("._target_")]
    swaps = [*classes, *(key for key in differing if key.endswith(".name"))]

    def follows(key: str) -> bool:
        """Whether the value follows from the class of its section, or is copied from another key."""
        last = key.rpartition(".")[2]
        for swapped in swaps:
            if key not in (swapped, TRAINED_ON) and last != "weights" and key.startswith(swapped.rpartition(".")[0] + "."):
                pairs = {(str(row.settings.get(swapped)), str(row.settings.get(key))) for row in rows}
                if len(pairs) == len({target for target, _ in pairs}):
                    return True
        return any(copies(key, other) for other in known if other == last != key or (shorter(other, key) and is_number(other)))

    def copies(key: str, other: str) -> bool:
        return all(row.settings.get(key) == row.settings.get(other) for row in rows)

    def shorter(other: str, key: str) -> bool:
        return (len(other), other) < (len(key), key)

    def is_number(key: str) -> bool:
        """Whether all values are numbers above 2, such as epochs; small numbers are often equal by accident."""
        return all(isinstance(row.settings.get(key), int | float) and row.settings[key] > 2 for row in rows)

    first = [key for key in (TRAINED_ON, "head._target_", *classes) if key in differing]
    return [key for key in dict.fromkeys([*first, *differing]) if not follows(key)]


def _differs(key: str, rows: Sequence[Row]) -> bool:
    """Whether rows have different values; rows without earlier trainings do not count for the settings of those."""
    values = [row.settings.get(key) for row in rows if key in row.settings or not key.startswith(EARLIER)]
    return any(value != values[0] for value in values)


def _word(key: str, value: Any) -> str:
    if key == TRAINED_ON:
        return f"trained on {value}"
    if key.endswith("._target_"):
        return f"{key.removesuffix('._target_')}={str(value).rpartition('.')[2]}"
    if isinstance(value, list) and len(value) > MANY and not isinstance(value[0], list | Mapping):
        return f"{key}=[{value[0]}, {value[1]}, ... {value[-1]}]"
    text = str(value).replace("'", "")
    return f"{key}={text if len(text) <= 40 else text[:37] + '...'}"
