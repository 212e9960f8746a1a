"""What the benchmarks share: alternating measurements, and their tables on the terminal and in a JSON file."""

import argparse
import json
import os
import platform
import shlex
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

Value = str | int | float | None
Row = Mapping[str, Value]
Result = TypeVar("Result")


def command(doc: str | None) -> argparse.ArgumentParser:
    """A command line with the docstring of the script as its help, and ``--json FILE``."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables to this file too")
    return parser


def alternated(ways: Mapping[str, Callable[[], Result]], rounds: int) -> dict[str, list[Result]]:
    """Calls each way once a round and returns its results. Other load on the machine so affects all ways equally."""
    results: dict[str, list[Result]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, measure in ways.items():
            results[name].append(measure())
    return results


def ratio(over: Sequence[float], under: Sequence[float]) -> float:
    """Median of the ratios of each round."""
    return statistics.median(a / b for a, b in zip(over, under, strict=True))


def require_same_work(rows: Sequence[Row]) -> None:
    """Ends the script if two sides of a comparison differ in anything but their name, the first column."""
    first, *others = (list(row.values())[1:] for row in rows)
    if any(other != first for other in others):
        raise SystemExit(f"the sides did different work: {rows}")


def announce(*rows: Row) -> None:
    """Prints each row of a long measurement as a line, before its table is complete."""
    for row in rows:
        print(", ".join(f"{name} {_text(value)}" for name, value in row.items()), flush=True)


class Tables:
    """The tables of one benchmark. ``add`` prints a table; ``write`` saves all of them."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Any]] = {}

    def add(self, name: str, title: str, rows: Sequence[Row]) -> None:
        """Prints rows with the same keys as a table, and keeps them under a short name."""
        self.tables[name] = {"title": title, "rows": [dict(row) for row in rows]}
        cells = [list(rows[0]), *([_text(value) for value in row.values()] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        print(f"\n{title}")
        for line in cells:
            first, *rest = (cell.ljust(width) if n == 0 else cell.rjust(width)
                            for n, (cell, width) in enumerate(zip(line, widths, strict=True)))  # fmt: skip
            print("  ".join(["", first, *rest]), flush=True)

    def write(self, path: Path | None) -> None:
        """Writes the tables as JSON, with the command and the machine that they are of; None writes nothing."""
        if path is None:
            return
        machine = {
            "cpu": _cpu(), "cores": len(os.sched_getaffinity(0)), "load_of_15_minutes": os.getloadavg()[2],
            "torch": torch.__version__, "python": platform.python_version(),
        }  # fmt: skip
        said = shlex.join(["python", *sys.argv])
        path.write_text(json.dumps({"command": said, "machine": machine, "tables": self.tables}, indent=1) + "\n")


def _text(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value or "")


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())
