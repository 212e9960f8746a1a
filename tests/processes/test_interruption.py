"""Signals to a process that raises them: as an exception in Python code, by the status alone where Python code cannot run."""

import os
import signal
import subprocess
import sys
import time

import pytest

from agegender.configuration.paths import PACKAGE

START = """
import ctypes, sys, threading, time
from agegender.processes import interruption
from agegender.processes.interruption import Interrupted, raise_again_on_signals, raise_on_signals
def ready():
    print("ready", flush=True)
"""
PYTHON = """
raise_on_signals()
try:
    ready()
    while True:
        time.sleep(0.01)
except Exception:
    print("swallowed")
except Interrupted as stop:
    stop.advice = "Resume with X"
    print(stop)
    sys.exit(128 + stop.number)
"""
OUTSIDE_PYTHON = """
interruption.GRACE = 0.2
raise_on_signals()
mutex, pthread = ctypes.create_string_buffer(64), ctypes.CDLL(None)
pthread.pthread_mutex_lock(mutex)
threading.Timer(0.5, ready).start()  # when the main thread waits
pthread.pthread_mutex_lock(mutex)  # waits forever, and a signal does not end the wait
"""
HANDLERS_OF_A_LIBRARY = """
import signal
raise_on_signals()
signal.signal(signal.SIGTERM, lambda *_: print("library", flush=True))
raise_again_on_signals()
""" + PYTHON.replace("raise_on_signals()\n", "")
SENT_AGAIN_WHILE_IT_ENDS = PYTHON.replace(
    "    stop.advice",
    """
    import os, signal
    for restore in (lambda: signal.signal(signal.SIGTERM, interruption._raise), raise_again_on_signals):
        restore()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)
    stop.advice""",
)
WAITS_FOR_OTHERS = """
interruption.GRACE = 0.1
raise_on_signals()
try:
    ready()
    time.sleep(60)
except Interrupted as stop:
    interruption.remove_deadline()
    time.sleep(1)
    print("ended by itself")
"""
AFTER_A_LOST_CONNECTION = """
import os, signal
from agegender.processes.ranks import one_line_if_connection_lost
raise_on_signals()
try:
    with one_line_if_connection_lost():
        ready()
        raise RuntimeError("Connection closed by peer [127.0.0.1]:1234")
except Interrupted as stop:
    print(stop)
"""
NEVER_ASKED_FOR = """
raise_again_on_signals()
ready()
time.sleep(60)
"""

SCRIPTS = {"python": PYTHON, "after a library": HANDLERS_OF_A_LIBRARY, "sent again": SENT_AGAIN_WHILE_IT_ENDS}


def status_and_output(script: str, number: int, delay: float = 0) -> tuple[int, str]:
    """Starts a process, sends it a signal some seconds after it is ready, and waits for its end."""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    process = subprocess.Popen([sys.executable, "-c", START + script], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout and process.stdout.readline() == "ready\n"
    time.sleep(delay)
    process.send_signal(number)
    output = process.communicate(timeout=60)[0]
    return process.returncode, output


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR2])
def test_a_signal_raises_an_exception_that_says_how_to_continue(number: signal.Signals, script: str) -> None:
    assert status_and_output(script, number) == (128 + number, f"stopped by {number.name}. Resume with X\n")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="waits in a mutex of the GNU C library")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_process_that_waits_outside_of_python(number: signal.Signals) -> None:
    assert status_and_output(OUTSIDE_PYTHON, number) == (128 + number, "")


def test_a_process_that_waits_for_others_is_not_ended_early() -> None:
    assert status_and_output(WAITS_FOR_OTHERS, signal.SIGINT) == (0, "ended by itself\n")


def test_a_signal_explains_a_lost_connection_that_was_noticed_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "RANK": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    assert status_and_output(AFTER_A_LOST_CONNECTION, signal.SIGTERM, delay=0.3) == (0, "stopped by SIGTERM\n")


def test_handlers_are_left_alone_where_signals_were_not_asked_for() -> None:
    assert status_and_output(NEVER_ASKED_FOR, signal.SIGTERM) == (-signal.SIGTERM, "")
