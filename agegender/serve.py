"""``python -m agegender.serve``: an HTTP API that estimates age and apparent gender of the faces in photos."""

import argparse
import os
import signal
import socket
import sys
from collections.abc import Sequence

from agegender.errors import AgeGenderError
from agegender.inference.model_options import CAVEAT, add_model_options, positive


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves until Ctrl-C or SIGTERM."""
    options = parser().parse_args(arguments)
    try:
        serve(options)
    except AgeGenderError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    options = argparse.ArgumentParser(
        prog="python -m agegender.serve",
        description='Serves a model over HTTP: POST /predict with {"image": BASE64}. ' + CAVEAT,
    )
    add_model_options(options)
    options.add_argument(
        "--host",
        choices=("127.0.0.1", "0.0.0.0", "::"),
        default="127.0.0.1",
        help="127.0.0.1: this machine only (default); 0.0.0.0 or ::: every machine that can reach this one",
    )
    options.add_argument("--port", type=int, default=8000, help="1024 to 65535 (default 8000)")
    options.add_argument("--max-mb", type=positive, default=20, metavar="N", help="largest request in MB (default 20)")
    return options


def serve(options: argparse.Namespace) -> None:
    """Serves a model.

    Raises:
        AgeGenderError: The extra is not installed, or the port or the model cannot be used.
    """
    try:
        from agegender.inference.http_api import face_server
    except ImportError as error:
        raise AgeGenderError(f"serve needs more packages: pip install 'agegender[serve]' ({error})") from error
    _require_free(options.host, options.port)
    server = face_server(options, options.max_mb * 10**6)
    print(CAVEAT, file=sys.stderr, flush=True)
    _end_on_signals()
    try:
        server.run(options.host, options.port, log_level="warning", generate_client_file=False)
    except RuntimeError:  # the model could not be loaded; FaceApi has printed why
        raise SystemExit(2) from None
    except KeyboardInterrupt:  # while the model is loaded; later LitServe ends by itself
        pass
    finally:
        for worker in getattr(server, "inference_workers", ()):
            worker.terminate()


def _end_on_signals() -> None:
    """Ctrl-C and SIGTERM raise KeyboardInterrupt here, for which LitServe ends its processes, and end those that are forked."""
    own = os.getpid()

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt if os.getpid() == own else SystemExit

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def _require_free(host: str, port: int) -> None:
    if not 1024 <= port <= 65535:
        raise AgeGenderError(f"--port {port}: expected 1024 to 65535")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise AgeGenderError(f"--port {port}: {error.strerror or error}") from error


if __name__ == "__main__":
    main()
