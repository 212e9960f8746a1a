"""A run continues with the faces, splits and images that it began with."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agegender.errors import AgeGenderError
from agegender.runs.leakage import require_same_faces
from agegender.runs.run_directory import RunDirectory

SPLIT = "dataset,path,split,sha256\nown,a.png,train,1\nown,b.png,test,2\n"
OLD_SPLIT = "dataset,path,split\nown,a.png,train\nown,b.png,test\n"


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path)
    directory.write_split(SPLIT)
    return directory


def test_the_same_faces_pass(run: RunDirectory, caplog: pytest.LogCaptureFixture) -> None:
    require_same_faces(run, SPLIT)
    assert not caplog.records


OTHERS = [
    (lambda split: split.replace("b.png,test", "b.png,train"), r"1 rows of split\.csv are missing .* and 1 are new.*b\.png"),
    (lambda split: split[: split.index("own,b")], r"1 rows of .* missing or changed and 0 are new.*'own,b\.png,test'"),
    (lambda split: split + "own,c.png,train,3\n", r"0 rows of split\.csv are missing or changed and 1 are new.*c\.png"),
]  # fmt: skip


@pytest.mark.parametrize("before", [SPLIT, OLD_SPLIT])
@pytest.mark.parametrize(("change", "message"), OTHERS)
def test_other_faces_or_splits_are_refused(change: Callable[[str], str], message: str, before: str, run: RunDirectory) -> None:
    run.write_split(before)
    with pytest.raises(AgeGenderError, match=message):
        require_same_faces(run, change(SPLIT))


def test_changed_images_are_refused(run: RunDirectory) -> None:
    with pytest.raises(AgeGenderError, match=r"the content of 1 images differs from .*, for example own/b\.png\."):
        require_same_faces(run, SPLIT.replace("test,2", "test,1"))


def test_a_run_of_an_earlier_version_has_no_content_hashes_and_says_so(
    run: RunDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    run.write_split(OLD_SPLIT)
    require_same_faces(run, SPLIT.replace("test,2", "test,1"))
    assert f"{run.split} has no content hashes" in caplog.text


@pytest.mark.parametrize("text", ["", "\n", "dataset,path,sha256\n", "a", "sha256\nx\n", "dataset\nown,a.png,train,1\n"])
def test_a_damaged_file_is_refused(text: str, run: RunDirectory) -> None:
    run.write_split(text)
    with pytest.raises(AgeGenderError, match=r"the faces differ .* 2 are new"):
        require_same_faces(run, SPLIT)
