import errno
import subprocess
import sys

import pytest

from agegender.errors import AgeGenderError
from agegender.one_line_errors import one_line_errors
from agegender.whole_files import WriteError


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (AgeGenderError("x: is gone"), 2, "error: x: is gone\n"),
        (WriteError("x: cannot be written"), 1, "error: x: cannot be written\n"),
        (OSError(errno.ENOSPC, "No space left on device", "a\nb"), 1, "error: [Errno 28] No space left on device: 'a\\nb'\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_each_error_has_a_line_and_a_status(
    error: BaseException, status: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit, one_line_errors():
        raise error
    assert (exit.value.code, capsys.readouterr().err) == (status, line)


def test_a_mistake_of_the_program_keeps_its_traceback() -> None:
    with pytest.raises(KeyError), one_line_errors():
        raise KeyError("x")


def test_the_reader_of_a_pipe_may_close_it() -> None:
    code = (
        "from agegender.one_line_errors import one_line_errors\n"
        "with one_line_errors():\n"
        "    for number in range(100_000):\n"
        "        print(number)\n"
    )
    running = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None and running.stderr is not None
    assert running.stdout.readline() == "0\n"
    running.stdout.close()
    assert running.stderr.read() == "" and running.wait() == 0


@pytest.mark.parametrize("name", ["compare", "export", "predict"])
def test_commands_end_quietly_after_ctrl_c(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from importlib import import_module

    def interrupted(options: object) -> None:
        raise KeyboardInterrupt

    module = import_module(f"agegender.{name}")
    monkeypatch.setattr(module, name, interrupted)
    with pytest.raises(SystemExit) as exit:
        module.main(["x", "y"])
    assert (exit.value.code, capsys.readouterr().err) == (130, "interrupted\n")
