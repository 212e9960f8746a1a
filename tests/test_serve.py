"""A real server process and real clients."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from agegender import Predictor
from agegender.serve import main

MAX_MB = 1


class Server(NamedTuple):
    process: "subprocess.Popen[str]"
    port: int

    def ask(self, method: str, path: str, body: bytes | None = None, key: str = "") -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body, {"Content-Type": "application/json", "X-API-Key": key})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    def predict(self, body: bytes) -> tuple[int, Any]:
        status, text = self.ask("POST", "/predict", body)
        return status, json.loads(text)


def start(*arguments: object) -> Server:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "agegender.serve", "--port", str(port), *map(str, arguments)],
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    return Server(process, port)


def wait_until_ready(server: Server) -> None:
    while True:
        assert server.process.poll() is None, server.process.communicate()
        try:
            if server.ask("GET", "/health", key="secret")[0] == 200:
                return
        except OSError:
            time.sleep(0.1)


def processes_of(server: Server) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(folder.name)) == server.process.pid:
                found.append((folder / "cmdline").read_text())  # empty if it has ended and nobody has asked for its status
        except OSError:
            continue
    return [command for command in found if command]


@pytest.fixture(scope="module")
def server(bundle: Path) -> Iterator[Server]:
    server = start("--model", bundle, "--max-mb", MAX_MB, "--detector", "none")
    wait_until_ready(server)
    yield server
    server.process.send_signal(signal.SIGTERM)
    _, err = server.process.communicate(timeout=60)
    assert server.process.returncode == 0 and "Traceback" not in err and "binary by appearance" in err
    assert f"ready: http://127.0.0.1:{server.port}/predict" in err
    assert processes_of(server) == []


def body(data: bytes) -> bytes:
    return json.dumps({"image": base64.b64encode(data).decode()}).encode()


def test_nothing_is_lost_under_load(server: Server, bundle: Path, faces: Path) -> None:
    files = sorted(faces.glob("*.jpg"))
    data = files[0].read_bytes()
    bad = [
        (body(b"no image"), 422, "not an image of a supported format (JPEG, PNG, WEBP, BMP, GIF, TIFF)"),
        (body(data[:300]), 422, "truncated JPEG"),
        (body(b""), 422, "not an image of a supported format (JPEG, PNG, WEBP, BMP, GIF, TIFF)"),
        (b'{"image": ', 422, "JSON decode error"),
        (b"{}", 422, "image: Field required"),
        (b'{"image": "&"}', 422, "not an image of a supported format (JPEG, PNG, WEBP, BMP, GIF, TIFF)"),
        (b'{"image": 1}', 422, "image: Input should be a valid bytes"),
    ]
    requests = [
        bad[number // 5 % len(bad)][0] if number % 5 == 4 else body(files[number % len(files)].read_bytes())
        for number in range(320)
    ]
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(server.predict, requests))
    expected = Predictor.load(bundle).faces(files)
    for number, (status, answer) in enumerate(answers):
        if number % 5 == 4:
            assert (status, answer) == (bad[number // 5 % len(bad)][1], {"detail": bad[number // 5 % len(bad)][2]})
            continue
        assert status == 200 and answer["reason"] is None
        [face] = answer["faces"]
        wanted = expected[number % len(files)]
        assert face["age"] == pytest.approx(wanted.age, abs=2e-3)
        assert face["probability_female"] == pytest.approx(wanted.probability_female, abs=2e-5)
        assert (face["face"], face["box"], face["detector_score"]) == (1, None, None)


def test_a_request_over_the_limit_is_refused(server: Server, faces: Path) -> None:
    assert server.predict(b" " * (MAX_MB * 10**6 + 1)) == (413, {"detail": "Payload too large"})
    assert server.predict(body(next(faces.glob("*.jpg")).read_bytes()))[0] == 200


def test_routes_describe_the_server_and_load_nothing_from_others(server: Server) -> None:
    assert server.ask("GET", "/health") == (200, "ok")
    assert "binary by appearance" in json.loads(server.ask("GET", "/info")[1])["model"]["caveat"]
    schema = json.loads(server.ask("GET", "/openapi.json")[1])
    assert "binary by appearance" in schema["info"]["description"]
    answers = schema["paths"]["/predict"]["post"]["responses"]
    assert set(answers) == {"200", "413", "422"}
    assert answers["422"]["content"]["application/json"]["schema"]["properties"] == {"detail": {"type": "string"}}
    assert [server.ask("GET", path)[0] for path in ("/docs", "/redoc")] == [404, 404]


def test_only_this_machine_reaches_the_server(server: Server) -> None:
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"]
    assert [address for address in listening if address.endswith(f":{server.port:04X}")] == [f"0100007F:{server.port:04X}"]


def test_a_key_is_needed_if_there_is_one_and_ctrl_c_ends_every_process_quietly(
    bundle: Path, faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIT_SERVER_API_KEY", "secret")
    server = start("--model", bundle, "--threads", 1)
    wait_until_ready(server)
    request = body(next(faces.glob("*.jpg")).read_bytes())
    assert [server.ask("POST", "/predict", request, key)[0] for key in ("", "other", "secret")] == [401, 401, 200]
    os.killpg(server.process.pid, signal.SIGINT)  # a terminal sends it to the whole group
    _, err = server.process.communicate(timeout=60)
    assert server.process.returncode == 0 and "Traceback" not in err
    assert processes_of(server) == []


def test_a_model_that_cannot_be_loaded_is_one_line(tmp_path: Path) -> None:
    server = start("--model", tmp_path)
    _, err = server.process.communicate(timeout=60)
    assert server.process.returncode == 2
    assert [line for line in err.splitlines() if "binary by" not in line] == [
        f"error: {tmp_path}: neither a run directory (it has no config.yaml) nor a bundle nor a checkpoint"
    ]


def test_mistakes_are_one_line(
    bundle: Path, server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failed(*arguments: object) -> str:
        with pytest.raises(SystemExit) as exit:
            main(["--model", str(bundle), *map(str, arguments)])
        assert exit.value.code == 2
        return capsys.readouterr().err

    assert failed("--port", 80) == "error: --port 80: expected 1024 to 65535\n"
    assert failed("--port", server.port) == f"error: --port {server.port}: Address already in use\n"
    assert "invalid choice: 'example.org'" in failed("--host", "example.org")
    monkeypatch.setitem(sys.modules, "litserve", None)
    monkeypatch.delitem(sys.modules, "agegender.inference.http_api", raising=False)
    assert "serve needs more packages: pip install 'agegender[serve]'" in failed()
