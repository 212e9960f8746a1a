"""Checks that a run continues with the faces that it began with."""

import csv
import io
import logging
from typing import NamedTuple, Self

from agegender.errors import AgeGenderError
from agegender.runs.run_directory import RunDirectory

log = logging.getLogger(__name__)


def require_same_faces(run: RunDirectory, split_csv: str) -> None:
    """Checks that the faces, their labels, splits and images are those that the run began with.

    Logs a warning if an earlier version wrote the run, without content hashes. Changed images are not noticed then.

    Args:
        run: The run, with its ``split.csv``.
        split_csv: Today's faces in the same format.

    Raises:
        AgeGenderError: They differ; it says in how many rows, with an example.
    """
    try:
        then, now = _Faces.parsed(run.read_split()), _Faces.parsed(split_csv)
    except csv.Error as error:
        raise AgeGenderError(f"{run.split} is not a well-formed CSV file: {error}") from error
    if then.labels != now.labels:
        sample = ",".join(min(then.labels ^ now.labels))
        raise AgeGenderError(
            f"the faces differ from those that the run in {run.path} began with: {len(then.labels - now.labels)} rows of "
            f"split.csv are missing or changed and {len(now.labels - then.labels)} are new, for example {sample!r}. The model "
            "may have been trained on faces that would be tested"
        )
    if not then.content:
        log.warning(
            "%s has no content hashes, because an earlier version wrote it: whether images have changed is not checked",
            run.split,
        )
        return
    if changed := sorted(face for face, sha256 in then.content.items() if now.content[face] != sha256):
        raise AgeGenderError(
            f"the content of {len(changed)} images differs from when the run in {run.path} began, for example "
            f"{'/'.join(changed[0])}. The model may have been trained on images that would be tested"
        )


class _Faces(NamedTuple):
    """The rows of a ``split.csv`` without content hashes, and the content hash of each dataset and path."""

    labels: set[tuple[str, ...]]
    content: dict[tuple[str, ...], str]

    @classmethod
    def parsed(cls, split_csv: str) -> Self:
        rows = list(csv.reader(io.StringIO(split_csv, newline="")))
        header = rows.pop(0) if rows else []
        labels = header.index("sha256") if "sha256" in header else len(header)
        content = {tuple(row[:2]): row[labels] for row in rows if len(row) > labels}
        return cls({tuple(row[:labels]) for row in rows}, content)
