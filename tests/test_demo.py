"""The page of the demo: a real server in an environment with Gradio, in a real headless Chromium."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect, sync_playwright

from agegender import Predictor
from agegender.demo import grad_cam_of, main

ROOT = Path(__file__).resolve().parents[1]
GRADIO = "gradio==6.31.0"  # it does not allow the Pillow of constraints.txt yet, so it gets an environment of its own
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WIDTHS = {"desktop": (1280, 900), "phone": (375, 740)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no Chromium here; scripts/install_chromium.sh installs it with apt-get, as root")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def python(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with the packages of this one, and Gradio."""
    folder = tmp_path_factory.mktemp("gradio") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    [packages] = folder.glob("lib/python*/site-packages")
    (packages / "parent.pth").write_text(sysconfig.get_path("purelib"))
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "install", "--quiet", "--no-compile"]
    done = subprocess.run([*pip, GRADIO], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{GRADIO} cannot be installed: {done.stderr[-300:]}")
    return python


@pytest.fixture(scope="module")
def address(python: Path, trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("demo")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [python, "-m", "agegender.demo", "--model", trained_run, "--port", str(port), "--max-mb", "1"],
        stderr=subprocess.PIPE, text=True, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)},
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}/"
    while True:
        assert process.poll() is None, process.communicate()
        try:
            urllib.request.urlopen(url).close()
            break
        except OSError:
            time.sleep(0.2)
    assert list(folder.rglob("drawn0.png"))
    yield url
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "Traceback" not in err and "binary by appearance" in err
    assert [path for path in folder.rglob("*") if path.is_file()] == []  # no photo is left


@pytest.fixture(params=WIDTHS)
def page(request: pytest.FixtureRequest, browser: Any, address: str) -> Iterator[Any]:
    """The open page; at its end it asked nothing of other servers, and the console has no errors."""
    width, height = WIDTHS[request.param]
    context = browser.new_context(viewport={"width": width, "height": height}, has_touch=request.param == "phone")
    page = context.new_page()
    errors: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda sent: requests.append(sent.url))
    page.goto(address)
    page.wait_for_selector("input[type=file]", state="attached")
    yield page
    assert page.evaluate("document.documentElement.scrollWidth") == width
    context.close()
    assert errors == []
    assert [url for url in requests if not url.startswith((address, "data:", "blob:"))] == []


def test_a_photo_is_estimated(page: Any, trained_run: Path, faces: Path) -> None:
    expect(page.get_by_role("note")).to_contain_text("gender is binary by appearance")
    file = sorted(faces.glob("*.jpg"))[0]
    page.set_input_files("input[type=file]", str(file))
    card = page.locator("#result article")
    expect(card).to_have_count(1, timeout=60_000)
    [expected] = Predictor.load(trained_run).faces([file])
    assert expected.age is not None and expected.probability_female is not None
    expect(card).to_contain_text(f"looks {expected.age:.0f} years old")
    expect(card).to_contain_text(f"female {expected.probability_female:.1%}")
    expect(card.get_by_role("img", name=re.compile("Distribution of the age of face 1"))).to_be_visible()
    expect(card.get_by_role("img", name=re.compile("Grad-CAM"))).to_have_count(2)
    loaded = "images => images.every(image => image.complete && image.naturalWidth)"
    assert page.locator("#result img").evaluate_all(loaded)
    page.get_by_role("button", name="Remove Image").click()
    expect(card).to_have_count(0)


def test_files_that_are_no_images_are_refused(page: Any, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("hello")
    (tmp_path / "text.jpg").write_text("hello")
    page.set_input_files("input[type=file]", str(tmp_path / "text.txt"))
    expect(page.get_by_text("Invalid file type: text.txt")).to_be_visible()
    page.set_input_files("input[type=file]", str(tmp_path / "text.jpg"))
    expect(page.locator("#result").get_by_role("alert")).to_contain_text("not an image of a supported format", timeout=60_000)


def test_a_drawn_face_is_chosen_with_the_keyboard_and_the_result_is_announced(page: Any) -> None:
    expect(page.locator("#result")).to_have_attribute("aria-live", "polite")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == "drawn, 35 years":
            break
    page.keyboard.press("Enter")
    expect(page.locator("#result article")).to_have_count(1, timeout=60_000)


def test_a_request_reads_no_file_of_the_server(address: str, faces: Path) -> None:
    functions = json.load(urllib.request.urlopen(f"{address}config"))["dependencies"]
    [show] = [one["id"] for one in functions if any(event == "change" for _, event in one["targets"])]
    secret = str(sorted(faces.glob("*.jpg"))[0])
    names = [{"path": secret}, {"path": secret, "meta": {"_type": "x"}}, {"path": secret, "url": f"file://{secret}"}]
    for number, name in enumerate(names):
        sent = json.dumps({"data": [name], "fn_index": show, "session_hash": f"s{number}"}).encode()
        request = urllib.request.Request(f"{address}gradio_api/queue/join", sent, {"Content-Type": "application/json"})
        urllib.request.urlopen(request).close()
        with urllib.request.urlopen(f"{address}gradio_api/queue/data?session_hash=s{number}", timeout=60) as events:
            answer = next(line.decode() for line in events if b"process_completed" in line)
        assert "not an uploaded file" in answer
        assert "base64" not in answer


def test_an_upload_over_the_limit_is_refused(browser: Any, address: str, tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(bytes(1_100_000))
    page = browser.new_page()
    page.goto(address)
    page.set_input_files("input[type=file]", str(tmp_path / "large.png"))
    expect(page.get_by_text("exceed the maximum allowed size")).to_be_visible()
    page.close()


def test_only_this_machine_reaches_the_page(address: str) -> None:
    port = int(address.rstrip("/").rpartition(":")[2])
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"]
    assert [one for one in listening if one.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]


def test_grad_cam_is_there_for_a_run_and_left_out_where_it_cannot_be(
    trained_run: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    explain = grad_cam_of(Predictor.load(trained_run))
    assert explain is not None
    maps = explain(np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8))
    assert {task: heat.shape for task, heat in maps.items()} == {"age": (3, 32, 32), "gender": (3, 32, 32)}
    assert grad_cam_of(Predictor.load(bundle)) is None
    monkeypatch.setattr("agegender.evaluation.grad_cam.interpolate", lambda *_, **__: 1 / 0)
    assert grad_cam_of(Predictor.load(trained_run)) is None
    assert capsys.readouterr().err == "no Grad-CAM: division by zero\n"


def test_without_the_extra_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.setattr("agegender.demo.interrupt_on_signals", lambda: None)
    with pytest.raises(SystemExit) as exit:
        main([])
    assert exit.value.code == 2
    assert "error: demo needs more packages: pip install 'agegender[demo]'" in capsys.readouterr().err
