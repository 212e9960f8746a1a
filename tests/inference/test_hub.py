"""Bundles on a server with the protocol of the Hugging Face Hub, on this machine."""

import base64
import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from agegender.errors import AgeGenderError
from agegender.inference.hub import HubAddress, fetch, push
from agegender.inference.predictor import Predictor

COMMIT = "c0ffee" * 6 + "beef"


class Hub(ThreadingHTTPServer):
    """Keeps the files of one commit, and what was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Requests)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []


class Requests(BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append(f"POST {self.path}")
        if self.headers.get("Authorization") != "Bearer secret":
            self.answer(401, {"error": "Invalid token"})
        elif self.path == "/api/repos/create":
            self.answer(200, {"url": f"http://127.0.0.1/me/{json.loads(body)['name']}"})
        elif self.path == "/api/models/me/faces/preupload/main":
            named = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in json.loads(body)["files"]
            ]
            self.answer(200, {"files": named})
        elif self.path == "/api/models/me/faces/commit/main":
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.server.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self.answer(200, {"commitOid": COMMIT, "commitUrl": f"http://127.0.0.1/me/faces/commit/{COMMIT}", "success": True})
        else:
            self.answer(200, {})

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.server.asked.append(f"{self.command} {self.path}")
        prefix = f"/me/faces/resolve/{COMMIT}/"
        data = self.server.files.get(self.path.removeprefix(prefix)) if self.path.startswith(prefix) else None
        if data is None:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound" if self.path.startswith(prefix) else "RevisionNotFound")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def answer(self, status: int, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: object) -> None:
        """Prints nothing."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    server = Hub()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield server
    server.shutdown()
    server.server_close()


def test_a_pushed_bundle_is_fetched_once_and_predicts_the_same(
    hub: Hub, bundle: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    address = push(bundle, "hf://me/faces")
    assert (address.repo, address.revision) == ("me/faces", COMMIT)
    assert set(hub.files) == {path.name for path in bundle.iterdir()} | {"README.md"}
    assert all(hub.files[path.name] == path.read_bytes() for path in bundle.iterdir())
    page = hub.files["README.md"].decode()
    assert page.startswith("---\nlicense: other\n") and page.endswith((bundle / "modelcard.md").read_text())

    ages = [[face.age for face in Predictor.load(model).faces(files)] for model in (bundle, str(address))]
    np.testing.assert_array_equal(*ages)
    assert not any("README" in line for line in hub.asked if line.startswith("GET"))
    hub.asked.clear()
    folder = fetch(str(address))
    assert {path.name for path in folder.iterdir()} == {path.name for path in bundle.iterdir()}
    assert hub.asked == [] and [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_the_page_of_a_model_that_was_not_tested_says_so_and_what_gender_means(hub: Hub, bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle, tmp_path / "b")
    (tmp_path / "b" / "modelcard.md").unlink()
    listed = (tmp_path / "b" / "checksums.txt").read_text().splitlines(keepends=True)
    (tmp_path / "b" / "checksums.txt").write_text("".join(line for line in listed if "modelcard" not in line))
    push(tmp_path / "b", "hf://me/faces")
    page = hub.files["README.md"].decode()
    assert "This model was not tested. Gender is binary and means appearance" in page


def test_what_was_changed_on_the_server_is_refused(hub: Hub, bundle: Path, tmp_path: Path) -> None:
    address = push(bundle, "hf://me/faces")
    hub.files["labels.json"] += b" "
    with pytest.raises(AgeGenderError, match=r"labels\.json: damaged or changed"):
        fetch(str(address))
    changed = hashlib.sha256(hub.files["labels.json"]).hexdigest()
    original = hashlib.sha256((bundle / "labels.json").read_bytes()).hexdigest()
    hub.files["checksums.txt"] = hub.files["checksums.txt"].replace(original.encode(), changed.encode())  # a bundle again
    with pytest.raises(AgeGenderError, match=r"refused: the SHA-256 of its checksums\.txt is"):
        fetch(str(address))
    assert list((tmp_path / "cache" / "agegender" / "hub").iterdir()) == []
    fetch(f"hf://me/faces@{COMMIT}")  # no checksum was asked for
    with pytest.raises(AgeGenderError, match="refused"):
        fetch(str(address))


def test_a_list_of_files_cannot_lead_out_of_the_folder(hub: Hub, bundle: Path) -> None:
    push(bundle, "hf://me/faces")
    hub.files["checksums.txt"] += b"0" * 64 + b"  ../../evil\n"
    with pytest.raises(AgeGenderError, match="does not name a file of the bundle"):
        fetch(f"hf://me/faces@{COMMIT}")


def test_mistakes_are_one_line(hub: Hub, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for address, message in (
        ("hf://me/faces", "name the revision too"),
        ("hf://me", "expected hf://USER/NAME@REVISION"),
        ("hf://me/faces@main#12", "expected hf://USER/NAME@REVISION"),
        ("hf://me/faces@other", r"checksums\.txt cannot be downloaded"),
    ):
        with pytest.raises(AgeGenderError, match=message) as caught:
            fetch(address)
        assert "\n" not in str(caught.value)
    with pytest.raises(AgeGenderError, match="the server chooses the revision"):
        push(bundle, "hf://me/faces@main")
    monkeypatch.setenv("HF_TOKEN", "wrong")
    with pytest.raises(AgeGenderError, match=r"cannot be pushed: .*401"):
        push(bundle, "hf://me/faces")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(AgeGenderError, match="cannot be pushed"):
        push(bundle, "hf://me/faces")


@pytest.mark.parametrize("text", ["hf://a/b", "hf://a/b@v1.0", f"hf://a/b-c.d@{COMMIT}#{'0' * 64}"])
def test_an_address_is_written_as_it_is_read(text: str) -> None:
    assert str(HubAddress.of(text)) == text
