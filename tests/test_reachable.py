"""`unreachable` returns within seconds: None for any response, otherwise a reason."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from agegender import reachable
from agegender.reachable import unreachable


@pytest.fixture
def refusing_server() -> Iterator[str]:
    class Refuse(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Refuse)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_server_that_returns_an_error_page_is_reachable(refusing_server: str) -> None:
    assert unreachable(refusing_server) is None


def test_a_closed_port_and_an_invalid_url_are_unreachable_with_a_reason() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    assert "refused" in str(unreachable(f"http://127.0.0.1:{port}"))
    assert unreachable("no address at all")


def test_a_server_that_never_responds_is_unreachable() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert unreachable(f"http://127.0.0.1:{silent.getsockname()[1]}", seconds=0.2)


def test_a_request_that_blocks_ends_after_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    hang = threading.Event()
    monkeypatch.setattr(reachable, "_request", lambda url, seconds: hang.wait())
    assert "within 0.1 seconds" in str(unreachable("http://somewhere", seconds=0.1))
    hang.set()
