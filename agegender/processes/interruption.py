"""Signals that end a command raise an exception in it; it then ends with the status that a shell gives to the signal."""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from agegender.processes.ranks import rank

# Of Ctrl-C, of a system that ends the process, and of SLURM before the time of a job is over (Windows has no SIGUSR2).
SIGNALS = tuple(number for number in signal.Signals if number.name in ("SIGINT", "SIGTERM", "SIGUSR2"))
GRACE = 8.0  # seconds in which the process may end by itself

_enabled = False
_deadline = True
_raised = False
_advice: Callable[[], str] = str  # how to continue, when the process is ended
_reported = False


class Interrupted(BaseException):
    """The process got a signal. It is no ``Exception``, so that no ``except Exception`` keeps the process alive.

    Attributes:
        number: Of the signal.
        advice: How to continue, if there is a way.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        self.advice = ""

    def __str__(self) -> str:
        return f"stopped by {signal.Signals(self.number).name}{self.advice and f'. {self.advice}'}"


def raise_on_signals() -> None:
    """Makes these signals raise ``Interrupted`` in the main thread.

    Python calls a handler only between two of its own instructions. A rank that waits for another one in PyTorch may never
    come there, so a thread ends the process some seconds after the signal.
    """
    global _enabled
    if not _enabled:
        received, written = socket.socketpair()
        written.setblocking(False)
        signal.set_wakeup_fd(written.detach(), warn_on_full_buffer=False)
        threading.Thread(target=_end_in_time, args=(received,), name="end-in-time", daemon=True).start()
    _enabled = True
    for number in SIGNALS:
        signal.signal(number, _raise)


def _end_in_time(received: socket.socket) -> None:
    number = 0
    while number not in SIGNALS:  # the wake-up is for every signal with a Python handler
        number = received.recv(1)[0]
    time.sleep(GRACE)
    if not _deadline:
        return
    stop = Interrupted(number)
    stop.advice = _advice()
    report(stop)
    sys.stdout.flush()
    os._exit(128 + number)


def remove_deadline() -> None:
    """Turns off the deadline of this process. For a launcher, which waits for ranks with deadlines of their own."""
    global _deadline
    _deadline = False


@contextmanager
def advised(advice: Callable[[], str]) -> Iterator[None]:
    """Adds to an interruption how to continue, also if the process has to be ended while it waits for another one.

    Args:
        advice: Called after the signal.
    """
    global _advice
    _advice = advice
    try:
        yield
    except Interrupted as stop:
        stop.advice = advice()
        raise


def report(stop: Interrupted) -> None:
    """Prints, on the first rank and once, that a signal ended the command, and how to continue."""
    global _reported
    if not _reported and rank() == 0:
        print(f"error: {stop}", file=sys.stderr, flush=True)
    _reported = True


def raise_again_on_signals() -> None:
    """Replaces the handlers of a library by those of ``raise_on_signals``, if that was called before.

    Lightning's handler of SIGTERM communicates with the other ranks, which waits forever if they are not at the same place.
    """
    if _enabled and not _raised:
        raise_on_signals()


def leave_signals_to_parent(_: int) -> None:
    """Sets up a data loading worker: a signal that it gets too, as from a terminal, is for the process that uses it."""
    signal.set_wakeup_fd(-1)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # with which the process ends its workers


def _raise(number: int, _: Any) -> None:
    global _raised
    # While the process ends, further signals are ignored, but a second Ctrl-C ends it at once.
    for further in SIGNALS:
        signal.signal(further, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Lightning restores this handler when its Trainer ends. SLURM sends a signal to each process of a job, and so does the task
    # that started the training: raised a second time, it would interrupt the end of the process.
    if not _raised:
        _raised = True
        raise Interrupted(number)
