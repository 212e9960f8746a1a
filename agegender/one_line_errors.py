"""Ends a command with one line and an exit status, without a traceback, for everything that is no mistake of the program."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from agegender.errors import AgeGenderError
from agegender.escaping import one_line


@contextmanager
def one_line_errors(interrupted: str = "interrupted") -> Iterator[None]:
    """Ends the process after an error: with the status of an `AgeGenderError`, 1 for a full disk, and 130 for Ctrl-C.

    A reader that closes the pipe, as ``| head`` does, is no error.

    Args:
        interrupted: The line after Ctrl-C.
    """
    try:
        yield
        sys.stdout.flush()
    except AgeGenderError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(error.status) from None
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        raise SystemExit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python writes what is left at its end
    except OSError as error:  # as of a full disk
        print(f"error: {one_line(error)}", file=sys.stderr)
        raise SystemExit(1) from None
