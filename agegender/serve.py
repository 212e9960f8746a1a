"""``python -m agegender.serve``: an HTTP API that estimates age and apparent gender of the faces in photos."""

import argparse
import sys
from collections.abc import Sequence

from agegender.errors import AgeGenderError
from agegender.inference.model_options import CAVEAT, add_model_options
from agegender.inference.server_options import add_server_options, interrupt_on_signals, require_free
from agegender.one_line_errors import one_line_errors


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves until Ctrl-C or SIGTERM."""
    options = parser().parse_args(arguments)
    with one_line_errors():
        serve(options)


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    options = argparse.ArgumentParser(
        prog="python -m agegender.serve",
        description='Serves a model over HTTP: POST /predict with {"image": BASE64}. ' + CAVEAT,
    )
    add_model_options(options)
    add_server_options(options, port=8000)
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
    require_free(options.host, options.port)
    server = face_server(options, options.max_mb * 10**6)
    print(CAVEAT, file=sys.stderr, flush=True)
    interrupt_on_signals()
    try:
        server.run(options.host, options.port, log_level="warning", generate_client_file=False)
    except RuntimeError:  # the model could not be loaded; FaceApi has printed why
        raise SystemExit(2) from None
    except KeyboardInterrupt:  # while the model is loaded; later LitServe ends by itself
        pass
    finally:
        for worker in getattr(server, "inference_workers", ()):
            worker.terminate()


if __name__ == "__main__":
    main()
