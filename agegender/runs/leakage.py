"""Checks before a test that its faces are not among those that the model was trained or selected on."""

import pandas as pd

from agegender.errors import AgeGenderError
from agegender.runs.run_directory import RunDirectory


def require_same_faces(run: RunDirectory, split_csv: str) -> None:
    """Checks that the faces and their splits are those that the run began with.

    Args:
        run: The run, with its ``split.csv``.
        split_csv: Today's faces in the same format.

    Raises:
        AgeGenderError: They differ; it says in how many rows, with an example.
    """
    own = run.read_split()
    if own != split_csv:
        then, now = set(own.splitlines()), set(split_csv.splitlines())
        sample = next(iter(sorted(then ^ now)), "")
        raise AgeGenderError(
            f"the faces differ from those that the run in {run.path} began with: {len(then - now)} rows of split.csv are "
            f"missing or changed and {len(now - then)} are new, for example {sample!r}. The model may have been trained on "
            "faces that would be tested"
        )


def require_unseen_faces(run: RunDirectory, faces: pd.DataFrame) -> None:
    """Checks that no face is an image of the run's train or validation split, under whatever file name.

    Args:
        run: The run, with its ``seen.txt``.
        faces: Rows of a face table that are to be tested.

    Raises:
        AgeGenderError: Some are; it says how many, with an example.
    """
    again = faces[faces["sha256"].isin(run.read_seen())]
    if len(again):
        first = again.iloc[0]
        raise AgeGenderError(
            f"{len(again)} of {len(faces)} faces are in the run's own train or val split, for example "
            f"{first['dataset']}/{first['path']}. The model was trained or selected on them, so they cannot test it. Use the "
            "same split, or leave out data= to evaluate the run's own test split"
        )
