"""Runs that differ only in their seed are one row of a table, called by a given name or by what sets it apart."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agegender.evaluation.runs import Run

# What does not change a result, or is seen elsewhere: words, where files lie, how the machine is used.
ASIDE = {"name", "paper", "resume", "logger", "test", "compile"}
ASIDE_ANYWHERE = {"seed", "root", "cache", "cache_dir", "num_workers", "download", "save_dir", "log_every_n_steps"}
FILES = {"weights", "csv", "train", "val", "test"}  # a file is known by its name, wherever it lies


@dataclass
class Row:
    """Runs of one configuration, by seed.

    Args:
        settings: What they have in common, by dotted key.
        runs: At least one.
        name: What its table calls it; see ``name_apart``.
    """

    settings: dict[str, Any]
    runs: list[Run] = field(default_factory=list)
    name: str = ""

    @property
    def test_sets(self) -> tuple[str, ...]:
        """The sets of faces it was tested on: one, or one a seed where the seed also makes the split."""
        return tuple(sorted({run.test_set for run in self.runs}))

    @property
    def paper(self) -> dict[str, Any] | None:
        """What the configuration says of the paper it follows."""
        return self.runs[0].config.get("paper")


def rows_of(runs: Sequence[Run]) -> tuple[list[Row], list[str]]:
    """Groups runs into rows.

    Returns:
        The rows, in order of their first run; and for each run that repeats a seed of its row, and is therefore not
        counted, a line that says so.
    """
    rows: dict[str, Row] = {}
    repeats = []
    for run in runs:
        settings = dict(sorted(_flat(run.config)))
        row = rows.setdefault(f"{run.config.get('name')} {settings}", Row(settings))
        seeds = [(other.seed, other.test_set) for other in row.runs]
        if (run.seed, run.test_set) in seeds:
            first = row.runs[seeds.index((run.seed, run.test_set))]
            repeats.append(f"{run.path}: repeats {first.path}, the same configuration and seed, and is not counted twice")
        else:
            row.runs.append(run)
    return list(rows.values()), repeats


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        name = f"{path}.{key}" if path else key
        if item is None or name in ASIDE or key in ASIDE_ANYWHERE:
            continue
        if isinstance(item, Mapping):
            yield from _flat(item, name)
        else:
            yield name, item.rpartition("/")[2] if key in FILES and isinstance(item, str) else item


def name_apart(rows: Sequence[Row]) -> None:
    """Names the rows of one table: by the names their runs were given, else by what sets each apart from the others."""
    given = [row.runs[0].config.get("name") for row in rows]
    keys = _differing(rows)
    for row, own in zip(rows, given, strict=True):
        apart = ", ".join(_word(key, row.settings.get(key)) for key in keys if row.settings.get(key) is not None)
        row.name = own if own and given.count(own) == 1 else ": ".join(filter(None, [own, apart])) or row.runs[0].path.name
    names = [row.name for row in rows]
    for row in rows:
        if names.count(row.name) > 1:  # a switch that the others have and this one lacks is not seen in its name
            row.name += f" ({row.runs[0].path.name})"


def _differing(rows: Sequence[Row]) -> list[str]:
    """Keys whose values differ between rows, classes first, without those that follow from another key."""
    known = dict.fromkeys(key for row in rows for key in row.settings)
    differing = [key for key in known if any(row.settings.get(key) != rows[0].settings.get(key) for row in rows)]
    classes = [key for key in differing if key.endswith("._target_")]

    def follows(key: str) -> bool:
        """Whether the value follows from which class its section names, or is copied from a key of the top level."""
        for swapped in classes:
            if key != swapped and key.startswith(swapped.removesuffix("_target_")):
                pairs = {(str(row.settings.get(swapped)), str(row.settings.get(key))) for row in rows}
                if len(pairs) == len({target for target, _ in pairs}):
                    return True
        last = key.rpartition(".")[2]
        return last != key and last in known and all(row.settings.get(key) == row.settings.get(last) for row in rows)

    return [key for key in [*classes, *(k for k in differing if k not in classes)] if not follows(key)]


def _word(key: str, value: Any) -> str:
    if key.endswith("._target_"):
        return f"{key.removesuffix('._target_')}={str(value).rpartition('.')[2]}"
    text = str(value).replace("'", "")
    return f"{key}={text if len(text) <= 40 else text[:37] + '...'}"
