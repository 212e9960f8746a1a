"""The table of predictions as CSV, Parquet or JSON lines; an interrupted table is continued."""

import csv
import json
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agegender.errors import AgeGenderError
from agegender.escaping import csv_cell
from agegender.inference.age_gate import AgeGate
from agegender.inference.photos import Result
from agegender.inference.predictor import Face

if sys.platform != "win32":  # there, a second command that writes the same file is not noticed
    import fcntl

COLUMNS = (
    "path", "face", "box", "age", "interval_low", "interval_high", "probability_female", "detector_score", "reason",
)  # fmt: skip
VERDICT = "verdict"  # last column, if there is an age gate
FORMATS = (".csv", ".parquet", ".jsonl")

Row = dict[str, Any]


def rows(result: Result, gate: AgeGate | None = None) -> list[Row]:
    """The rows of a file: one for each face, numbered from 1, or one with a reason."""
    if not result.faces:
        return [dict.fromkeys(columns(gate)) | {"path": str(result.path), "reason": result.reason}]
    verdicts = [{} if gate is None else {VERDICT: gate.verdict(face)} for face in result.faces]
    return [
        {"path": str(result.path), **row, "reason": None, **verdict}
        for row, verdict in zip(face_rows(result.faces), verdicts, strict=True)
    ]


def face_rows(faces: Sequence[Face]) -> list[Row]:
    """The columns about each face of a photo, rounded."""
    return [
        {
            "face": number,
            "box": None if face.box is None else [round(edge, 1) for edge in face.box],
            "age": _rounded(face.age, 3),
            "interval_low": None if face.interval is None else _rounded(face.interval[0], 3),
            "interval_high": None if face.interval is None else _rounded(face.interval[1], 3),
            "probability_female": _rounded(face.probability_female, 5),
            "detector_score": _rounded(face.detector_score, 4),
        }
        for number, face in enumerate(faces, 1)
    ]


def columns(gate: AgeGate | None) -> tuple[str, ...]:
    """Names of the columns."""
    return COLUMNS if gate is None else (*COLUMNS, VERDICT)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


class PredictionFile:
    """Collects rows in ``.NAME.partial`` and writes the file when all are there.

    Args:
        path: Of the file; its suffix chooses the format.
        settings: Photos, model and options, plain values. A partial file of other settings is not continued.
        gate: Adds a column with its verdicts.

    Attributes:
        done: Paths that an interrupted command has already predicted.

    Raises:
        AgeGenderError: The format is unknown or needs another package, the folder cannot be written to, another command
            writes the same file, or there is a partial file of other settings.
    """

    def __init__(self, path: Path, settings: dict[str, Any], gate: AgeGate | None = None) -> None:
        if path.suffix not in FORMATS:
            raise AgeGenderError(f"--output {path}: the name must end in {', '.join(FORMATS)}")
        if path.suffix == ".parquet" and find_spec("pyarrow") is None:
            raise AgeGenderError(f"--output {path}: Parquet needs one more package: pip install pyarrow")
        self.path = path
        self._gate = gate
        self.done: set[str] = set()
        self._partial = path.with_name(f".{path.name}.partial")
        self._settings = json.loads(json.dumps(settings))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._partial.open("a", encoding="utf-8")
            try:
                self._start()
            except BaseException:
                self._file.close()  # which also ends the lock
                raise
        except OSError as error:
            raise AgeGenderError(f"--output {path}: cannot be written: {error.strerror or error}") from error

    def _start(self) -> None:
        """Locks the partial file until it is closed or the process has ended, and begins or continues it."""
        if sys.platform != "win32":
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise AgeGenderError(f"--output {self.path}: another command is writing it") from error
            except OSError:
                pass  # some network file systems have no locks
        if self._partial.stat().st_size:
            self._continue()
        else:
            self._file.write(json.dumps(self._settings) + "\n")
            self._file.flush()

    def _continue(self) -> None:
        """Reads which files are done. A line that a crash has cut is dropped."""
        try:
            with self._partial.open("rb") as file:
                lines = (line for line in file if line.endswith(b"\n"))
                size = len(first := next(lines))
                settings = json.loads(first)
                for line in lines:
                    size += len(line)
                    self.done.add(json.loads(line)[0]["path"])
        except (StopIteration, ValueError, LookupError, TypeError) as error:
            raise AgeGenderError(f"{self._partial}: damaged; delete it to start again") from error
        if settings != self._settings:
            raise AgeGenderError(
                f"{self._partial}: belongs to an interrupted command with other photos, another model or other options; delete "
                "it to start again"
            )
        os.truncate(self._partial, size)

    def write(self, result: Result) -> None:
        """Adds the rows of a file."""
        self._file.write(json.dumps(rows(result, self._gate)) + "\n")
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Writes the file, unless an exception interrupted the prediction."""
        self._file.close()
        if error is None:
            self._finish()

    def _rows(self) -> Iterator[Row]:
        with self._partial.open(encoding="utf-8") as file:
            next(file)
            for line in file:
                yield from json.loads(line)

    def _finish(self) -> None:
        whole = self._partial.with_suffix(".whole")
        if self.path.suffix == ".parquet":
            _write_parquet(whole, self._rows(), columns(self._gate))
        else:
            with whole.open("w", newline="", encoding="utf-8") as file:
                if self.path.suffix == ".csv":
                    table = csv.DictWriter(file, columns(self._gate), lineterminator="\n")
                    table.writeheader()
                    table.writerows(_csv_row(row) for row in self._rows())
                else:
                    file.writelines(json.dumps(row) + "\n" for row in self._rows())
        whole.replace(self.path)
        self._partial.unlink()


def _csv_row(row: Row) -> Row:
    box = row["box"]
    cells = row | {"box": None if box is None else " ".join(f"{edge:g}" for edge in box)}
    return {name: csv_cell(cell) for name, cell in cells.items()}


def _write_parquet(path: Path, rows: Iterator[Row], columns: tuple[str, ...]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    real = pa.float64()
    types = {"path": pa.string(), "face": pa.int32(), "box": pa.list_(real), "reason": pa.string(), VERDICT: pa.string()}
    schema = pa.schema([(name, types.get(name, real)) for name in columns])
    with pq.ParquetWriter(path, schema) as writer:
        batch: list[Row] = []
        for row in rows:
            name = os.fsencode(row["path"]).decode("utf-8", "backslashreplace")  # it may not be valid UTF-8
            batch.append(row | {"path": name})
            if len(batch) == 10_000:
                writer.write_table(pa.Table.from_pylist(batch, schema))
                batch = []
        writer.write_table(pa.Table.from_pylist(batch, schema))
