"""Files are opened to read only if they are regular: a pipe in their place is a one-line error and does not block."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from torch import nn

from agegender.configuration import job
from agegender.data.file_split import FileSplit
from agegender.data.scan import scan
from agegender.errors import AgeGenderError
from agegender.models.checkpoint import read_checkpoint
from agegender.models.weights import load_weights
from agegender.regular_files import open_bytes, open_text
from agegender.runs.run_directory import RunDirectory
from agegender.sources.faces import FaceTable
from agegender.sources.fairface import FairFace
from agegender.sources.tables import Table
from agegender.sources.utkface import UTKFace

SECONDS = 30  # far more than any of these readers takes


@pytest.fixture(autouse=True)
def time_limit() -> Iterator[None]:
    """Interrupts a reader that waits for a pipe."""

    def stop(*_: object) -> None:
        raise TimeoutError("the reader waits")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_bytes_and_text_of_a_regular_file_or_a_link_to_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbf\xc3\xa4\r\nb")
    (tmp_path / "link").symlink_to("a")
    for name in ("a", "link"):
        with open_bytes(tmp_path / name) as file:
            assert file.read() == b"\xef\xbb\xbf\xc3\xa4\r\nb"
        with open_text(str(tmp_path / name)) as text:
            assert text.read() == "ä\nb"
        with open_text(tmp_path / name, newline="") as text:
            assert text.read() == "ä\r\nb"


@pytest.mark.parametrize(
    ("path", "reason"),
    [("pipe", "not a regular file"), ("/dev/zero", "not a regular file"), (".", "Is a directory"), ("none", "No such file"),
     ("nul\0", "not a valid path")],
)  # fmt: skip
def test_anything_else_is_an_error(path: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    descriptors = len(os.listdir("/dev/fd"))
    for function in (open_bytes, open_text):
        with pytest.raises(OSError, match=reason) as caught:
            function(path)
        assert caught.value.strerror is not None and caught.value.filename == path
    assert len(os.listdir("/dev/fd")) == descriptors


def table(folder: Path) -> None:
    Table("pipe").read(folder)


def table_beside(folder: Path) -> None:
    (folder / "faces.csv").write_text("path\na.jpg\n")
    Table("faces.csv", beside={"age": "pipe"}).read(folder)


def label_file(folder: Path) -> None:
    (folder / "pipe").rename(folder / "fairface_label_train.csv")
    FairFace(str(folder)).read()


def split_file(folder: Path) -> None:
    FileSplit(str(folder / "pipe"), str(folder / "pipe")).assign(FaceTable.of("d", folder, {"path": ["a.jpg"]}))


def weights(folder: Path) -> None:
    load_weights(nn.Linear(2, 2), folder / "pipe")


def checkpoint(folder: Path) -> None:
    read_checkpoint(folder / "pipe")


def run_file(name: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        run = RunDirectory(folder)
        (folder / "pipe").rename(getattr(run, name))
        getattr(run, f"read_{name}")()

    return read


def job_file(folder: Path) -> None:
    job.read(folder / "pipe")


def image(folder: Path) -> None:
    scan(FaceTable.of("d", folder, {"path": ["pipe"]}), None, progress=False)


READERS = [table, table_beside, label_file, split_file, weights, checkpoint, job_file, image,
           *map(run_file, ["config", "split", "seen", "metrics", "versions"])]  # fmt: skip


@pytest.mark.parametrize("read", READERS)
def test_a_pipe_does_not_block(read: Callable[[Path], None], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(AgeGenderError, match="not a regular file"):
        read(tmp_path)


def test_a_pipe_in_place_of_stored_results_is_replaced(faces: Path, tmp_path: Path) -> None:
    table = UTKFace(str(faces)).read()
    first = scan(table, tmp_path, progress=False)
    (stored,) = tmp_path.iterdir()
    stored.unlink()
    os.mkfifo(stored)
    assert scan(table, tmp_path, progress=False).frame.equals(first.frame)
    assert stored.is_file()
