"""Faces that a model was trained or selected on do not test it."""

from pathlib import Path

import pandas as pd
import pytest

from agegender.errors import AgeGenderError
from agegender.runs.leakage import require_same_faces, require_unseen_faces
from agegender.runs.run_directory import RunDirectory

SPLIT = "path,split\na.png,train\nb.png,test\n"


def frame(**columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"dataset": ["own", "own", "own"], "path": ["a", "b", "c"], **columns})


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path)
    directory.write_split(SPLIT)
    directory.write_seen(frame(sha256=["1", "2", "3"], split=["train", "val", "test"]))
    return directory


def test_the_same_faces_pass(run: RunDirectory) -> None:
    require_same_faces(run, SPLIT)


@pytest.mark.parametrize(
    ("now", "message"),
    [
        (SPLIT.replace("b.png,test", "b.png,train"), r"1 rows of split\.csv are missing or changed and 1 are new.*b\.png"),
        (SPLIT.replace("b.png,test\n", ""), r"1 rows of split\.csv are missing or changed and 0 are new.*b\.png,test"),
        (SPLIT + "c.png,train\n", r"0 rows of split\.csv are missing or changed and 1 are new.*c\.png"),
    ],
)
def test_other_faces_or_splits_are_refused(now: str, message: str, run: RunDirectory) -> None:
    with pytest.raises(AgeGenderError, match=message):
        require_same_faces(run, now)


def test_an_image_is_recognised_under_any_name(run: RunDirectory) -> None:
    require_unseen_faces(run, frame(sha256=["3", "4", "5"]))
    with pytest.raises(AgeGenderError, match="1 of 3 faces are in the run's own train or val split, for example own/b"):
        require_unseen_faces(run, frame(sha256=["3", "2", "5"]))
