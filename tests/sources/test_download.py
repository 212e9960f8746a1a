"""Downloads with the real client of the Hugging Face hub from a small local server that imitates the hub."""

import csv
import io
import socket
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants

from agegender.configuration.command import compose
from agegender.configuration.schema import validate_faces
from agegender.errors import AgeGenderError
from agegender.sources import download
from agegender.sources.fairface import AGES, GENDERS, LABELS, RACES, FairFace
from agegender.sources.utkface import UTKFace

FACES = {"train": 5, "val": 2}


class Hub:
    """Files by path in the repository, and the requests of the clients."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str, str | None]] = []
        self.cut: set[str] = set()  # files whose first response stops in the middle

    def gets(self) -> list[str]:
        return [name for method, name, _ in self.requests if method == "GET"]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            if "/resolve/" not in self.path:
                return self.send_error(404)
            _, _, rest = self.path.partition("/resolve/")
            revision, _, name = rest.partition("/")
            asked = self.headers.get("Range")
            hub.requests.append((self.command, name, asked))
            if name not in hub.files:
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
                return self.end_headers()
            data = hub.files[name]
            begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            self.send_response(206 if asked else 200)
            self.send_header("X-Repo-Commit", revision)
            self.send_header("ETag", f'"{len(data)}"')
            self.send_header("Content-Length", str(len(data) - begin))
            self.end_headers()
            if body:
                end = len(data) // 2 if name in hub.cut and not begin else len(data)
                self.wfile.write(data[begin:end])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", constants.ENDPOINT + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(download, "FAIRFACE_FACES", FACES)
    monkeypatch.setattr(download, "UTKFACE_FACES", 4)
    yield hub
    server.shutdown()
    server.server_close()


def jpeg(value: int) -> bytes:
    return cv2.imencode(".jpg", np.full((24, 24, 3), value, np.uint8))[1].tobytes()


def parquet(rows: list[tuple[bytes, int, int, int, bool]]) -> bytes:
    """A Parquet file as written by the `datasets` library: encoded images with a path, labels as class numbers."""
    image = pa.array(
        [{"bytes": row[0], "path": None} for row in rows], pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    )
    columns = {name: pa.array([row[i] for row in rows], pa.int64()) for i, name in ((1, "age"), (2, "gender"), (3, "race"))}
    table = pa.table({"image": image, **columns, "service_test": [row[4] for row in rows]})
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=2)
    return file.getvalue()


def fairface_files(margin: float = 0.25) -> dict[str, bytes]:
    splits = download.FAIRFACE_FILES[margin]
    train = [(jpeg(10 * i), (6, 4, 1, 3, 8)[i], i % 2, i, i % 2 == 0) for i in range(5)]
    val = [(jpeg(200 + i), i, 1, 5 + i, True) for i in range(2)]
    cuts = np.array_split(np.arange(5), len(splits["train"]))
    files = {name: parquet([train[i] for i in cut]) for name, cut in zip(splits["train"], cuts, strict=True)}
    return files | {splits["val"][0]: parquet(val)}


@pytest.mark.parametrize("margin", [0.25, 1.25])
def test_downloaded_fairface_is_read(margin: float, hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hub.files = fairface_files(margin)
    root = tmp_path / "data" / "fairface"
    table = FairFace(str(root), download=True, margin=margin).read().frame
    assert table["path"].tolist() == [f"train/{i}.jpg" for i in range(1, 6)] + ["val/1.jpg", "val/2.jpg"]
    assert table["age_low"].tolist() == [50, 30, 3, 20, 70, 0, 3]
    assert table["gender"].tolist() == [0, 1, 0, 1, 0, 1, 1]
    assert table["race"].tolist() == [
        "East Asian", "Indian", "Black", "White", "Middle Eastern", "Latino_Hispanic", "Southeast Asian"
    ]  # fmt: skip
    assert table["split"].tolist() == ["train"] * 5 + ["test"] * 2
    assert (root / "train/2.jpg").read_bytes() == jpeg(10)
    assert (root / "fairface_label_train.csv").read_text().splitlines()[:2] == [
        "file,age,gender,race,service_test",
        "train/1.jpg,50-59,Male,East Asian,True",
    ]
    assert "CC BY 4.0" in capsys.readouterr().err  # the licence
    assert sorted(p.name for p in root.iterdir()) == sorted([*LABELS.values(), "train", "val"])
    assert [p.name for p in root.parent.iterdir() if p != root] == [".fairface.lock"]  # the downloaded files are deleted
    asked = len(hub.requests)
    FairFace(str(root), download=True, margin=margin).read()
    assert len(hub.requests) == asked  # the folder has content, so nothing is downloaded


def test_class_names_match_the_reader() -> None:
    assert download.FAIRFACE_CLASSES["age"] == tuple(AGES)
    assert download.FAIRFACE_CLASSES["gender"] == tuple(GENDERS)
    assert sorted(download.FAIRFACE_CLASSES["race"]) == sorted(RACES)
    assert [f"fairface_label_{split}.csv" for split in download.FAIRFACE_FACES] == list(LABELS.values())


def test_nothing_is_downloaded_by_default(hub: Hub, tmp_path: Path) -> None:
    hub.files = fairface_files()
    for source in (FairFace(str(tmp_path / "fairface")), UTKFace(str(tmp_path / "utkface"))):
        with pytest.raises(AgeGenderError, match=r"data\.root"):
            source.read()
    assert hub.requests == [] and list(tmp_path.iterdir()) == []
    for choice in ("fairface", "utkface"):
        assert compose([f"data={choice}", "data.root=x"], "faces")["data"]["sources"][choice]["download"] is False


@pytest.mark.parametrize("data", [["data=utkface", "data.root=x"], ["data=fairface", "data.root=x", "data.margin=1.25"],
                                  ["data=mixed", "data.utkface.root=x", "data.fairface.root=y"]])  # fmt: skip
def test_data_download_enables_the_download(data: list[str]) -> None:
    config = compose([*data, "data.download=true"], "faces")
    validate_faces(config)
    assert all(source["download"] for source in config["data"]["sources"].values())


def test_an_interrupted_file_continues_from_the_received_bytes(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 100)  # bytes; the default is 10 MB
    hub.files = fairface_files()
    broken = download.FAIRFACE_FILES[0.25]["train"][0]
    hub.cut = {broken}
    FairFace(str(tmp_path / "fairface"), download=True).read()
    ranges = [asked for method, name, asked in hub.requests if method == "GET" and name == broken]
    assert ranges == [None, f"bytes={len(hub.files[broken]) // 2 // 100 * 100}-"]


def test_an_interrupted_download_continues_with_the_missing_files(hub: Hub, tmp_path: Path) -> None:
    complete = fairface_files()
    last = download.FAIRFACE_FILES[0.25]["val"][0]
    hub.files = {name: data for name, data in complete.items() if name != last}
    source = FairFace(str(tmp_path / "fairface"), download=True)
    with pytest.raises(AgeGenderError, match=r"validation-00000.*cannot be downloaded.*Run the same command again"):
        source.read()
    assert not source.root.exists()
    hub.requests.clear()
    hub.files = complete
    assert len(source.read()) == 7
    assert hub.gets() == [last]


def test_unpacking_restarts_without_network_after_a_killed_process(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.files = fairface_files()
    source = FairFace(str(tmp_path / "fairface"), download=True)
    source.root.mkdir()  # an empty folder may exist
    write = Path.write_bytes

    def kill(self: Path, data: bytes) -> int:
        if self.name == "4.jpg":
            raise KeyboardInterrupt
        return write(self, data)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "write_bytes", kill)
        source.read()
    assert not any(source.root.iterdir())
    (tmp_path / ".fairface.partial" / "train").mkdir(parents=True)  # as left by SIGKILL
    (tmp_path / ".fairface.partial" / "train" / "9.jpg").write_bytes(b"old")
    monkeypatch.setattr(constants, "ENDPOINT", closed_port())
    assert len(source.read()) == 7
    assert not (source.root / "train" / "9.jpg").exists()


def lose_a_row(files: dict[str, bytes], name: str) -> None:
    table = pq.read_table(io.BytesIO(files[name]))
    file = io.BytesIO()
    pq.write_table(table.slice(1), file)
    files[name] = file.getvalue()


def unknown_age(files: dict[str, bytes], name: str) -> None:
    files[name] = parquet([(jpeg(0), -1, 0, 0, True)] * pq.read_table(io.BytesIO(files[name])).num_rows)


def no_image(files: dict[str, bytes], name: str) -> None:
    table = pq.read_table(io.BytesIO(files[name])).rename_columns(["picture", "age", "gender", "race", "service_test"])
    file = io.BytesIO()
    pq.write_table(table, file)
    files[name] = file.getvalue()


def not_parquet(files: dict[str, bytes], name: str) -> None:
    files[name] = b"PAR1" + bytes(100)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lose_a_row, "4 rows of FairFace train, expected 5"),
        (unknown_age, "unexpected columns or classes"),
        (no_image, "unexpected columns or classes"),
        (not_parquet, ""),
    ],
)
def test_unexpected_content_for_fairface_is_an_error(
    damage: Callable[..., Any], message: str, hub: Hub, tmp_path: Path
) -> None:
    hub.files = fairface_files()
    damage(hub.files, download.FAIRFACE_FILES[0.25]["train"][0])
    source = FairFace(str(tmp_path / "fairface"), download=True)
    with pytest.raises(AgeGenderError, match=rf"data\.download.*{message}"):
        source.read()
    assert not source.root.exists()
    assert not (tmp_path / ".fairface.partial").exists()


def test_an_unknown_margin_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AgeGenderError, match=r"margin=0\.5 must be 0\.25 or 1\.25"):
        FairFace(str(tmp_path), margin=0.5)


def archive(names: list[str]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for number, name in enumerate(names):
            member = tarfile.TarInfo(name)
            member.size = len(jpeg(number))
            tar.addfile(member, io.BytesIO(jpeg(number)))
        folder = tarfile.TarInfo("UTKFace/folder.jpg")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
    return file.getvalue()


UTK = ["UTKFace/26_1_2_20170117153355923.jpg.chip.jpg", "UTKFace/61_1_20170109142408075.jpg.chip.jpg",
       "UTKFace/._26_1_2_20170117153355923.jpg.chip.jpg", "../../99_0_0_20170117153355924.jpg.chip.jpg",
       "/etc/1_0_4_20161219211452533.jpg.chip.jpg"]  # fmt: skip


def test_utkface_keeps_its_file_names_and_writes_only_into_its_folder(hub: Hub, tmp_path: Path) -> None:
    hub.files = {"UTKFace.tar.gz": archive(UTK)}
    root = tmp_path / "deep" / "deeper" / "utkface"
    source = UTKFace(str(root), download=True)
    table = source.read()
    assert table.frame["age_low"].tolist() == [1, 26, 99]
    assert [one.path for one in table.skipped] == [
        "utkface/61_1_20170109142408075.jpg.chip.jpg"
    ]  # this name has no race in the release
    assert sorted(p.name for p in root.iterdir()) == sorted(Path(name).name for i, name in enumerate(UTK) if i != 2)
    assert [p for p in tmp_path.rglob("*.jpg") if p.parent != root] == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (archive(UTK[:2]), "2 files of UTKFace, expected 4"),
        (archive(UTK)[:-60], "archive is incomplete or damaged"),
        (b"no archive", "archive is incomplete or damaged"),
    ],
)
def test_unexpected_content_for_utkface_is_an_error(data: bytes, message: str, hub: Hub, tmp_path: Path) -> None:
    hub.files = {"UTKFace.tar.gz": data}
    with pytest.raises(AgeGenderError, match=message):
        UTKFace(str(tmp_path / "utkface"), download=True).read()
    assert not (tmp_path / "utkface").exists()


def closed_port() -> str:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{closed.getsockname()[1]}"


def test_without_network_the_error_is_raised_before_the_client_retries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", closed_port())
    with pytest.raises(AgeGenderError, match=r"hub cannot be reached.*refused"):
        UTKFace(str(tmp_path / "utkface"), download=True).read()


def test_the_order_of_the_hub_rows_matches_the_official_labels(shared: Path) -> None:
    """The first rows shown on the hub match the official file: row n is `train/n.jpg`."""
    shown = [(6, 0, 0), (4, 1, 1), (1, 1, 2), (3, 1, 1), (3, 1, 1), (3, 0, 3), (5, 0, 4), (4, 1, 1), (2, 0, 3), (4, 0, 4)]
    file = shared / "data" / "fairface" / "fairface_label_train.csv"
    labels = pd.read_csv(file).head(len(shown))
    known = download.FAIRFACE_CLASSES
    assert labels["file"].tolist() == [f"train/{n}.jpg" for n in range(1, len(shown) + 1)]
    for column, numbers in zip(known, zip(*shown, strict=True), strict=True):
        assert labels[column].tolist() == [known[column][n] for n in numbers]
    with file.open(newline="") as lines:
        assert sum(1 for _ in csv.reader(lines)) - 1 == 86_744 == download.FAIRFACE_FACES["train"]
