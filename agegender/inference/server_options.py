"""Options of the command line for servers: the address, and the largest upload."""

import argparse
import os
import signal
import socket

from agegender.errors import AgeGenderError
from agegender.inference.model_options import positive


def add_server_options(parser: argparse.ArgumentParser, port: int) -> None:
    """Adds ``--host``, ``--port`` (with this default) and ``--max-mb``."""
    parser.add_argument(
        "--host",
        choices=("127.0.0.1", "0.0.0.0", "::"),
        default="127.0.0.1",
        help="127.0.0.1: this machine only (default); 0.0.0.0 or ::: every machine that can reach this one",
    )
    parser.add_argument("--port", type=int, default=port, help=f"1024 to 65535 (default {port})")
    parser.add_argument("--max-mb", type=positive, default=20, metavar="N", help="largest upload in MB (default 20)")


def require_free(host: str, port: int) -> None:
    """Checks the address of a server before anything is loaded.

    Raises:
        AgeGenderError: The port is not allowed, or another program uses it.
    """
    if not 1024 <= port <= 65535:
        raise AgeGenderError(f"--port {port}: expected 1024 to 65535")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise AgeGenderError(f"--port {port}: {error.strerror or error}") from error


def url(host: str, port: int) -> str:
    """The address of a server for a browser."""
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def interrupt_on_signals() -> None:
    """Makes Ctrl-C and SIGTERM raise KeyboardInterrupt in this process, and end the processes that are forked from it."""
    own = os.getpid()

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt if os.getpid() == own else SystemExit

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
