import argparse
import os
import signal
import socket

import pytest

from agegender.errors import AgeGenderError
from agegender.inference.server_options import add_server_options, interrupt_on_signals, require_free, url


def test_a_server_is_for_this_machine_unless_told_otherwise() -> None:
    parser = argparse.ArgumentParser()
    add_server_options(parser, port=8000)
    assert vars(parser.parse_args([])) == {"host": "127.0.0.1", "port": 8000, "max_mb": 20}


@pytest.mark.parametrize("port", [-1, 80, 65536])
def test_ports_have_limits(port: int) -> None:
    with pytest.raises(AgeGenderError, match=f"--port {port}: expected 1024 to 65535"):
        require_free("127.0.0.1", port)


def test_a_port_that_is_used_is_refused() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(AgeGenderError, match=f"--port {port}: Address already in use"):
            require_free("127.0.0.1", port)
    require_free("127.0.0.1", port)


def test_the_address_is_one_for_a_browser() -> None:
    assert [url(host, 8000) for host in ("127.0.0.1", "::")] == ["http://127.0.0.1:8000/", "http://[::]:8000/"]


def test_signals_interrupt_this_process_and_end_forked_ones() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        interrupt_on_signals()
        for number in before:
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(number)
        child = os.fork()
        if child == 0:
            try:
                signal.raise_signal(signal.SIGTERM)
            except SystemExit:
                os._exit(7)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
