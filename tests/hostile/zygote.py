"""Runs commands of the project in forked processes, which saves each the seconds that importing torch takes.

Reads one JSON object a line from standard input, with ``argv`` (module and arguments), ``cwd``, ``env``, ``output`` (file
for standard output and error), ``seconds`` (limit) and ``largest`` (bytes of a file that it may write, or null).
Answers each with one line: the exit status, or null at a timeout.
A command ended by signal N has the status 128 + N, as in a shell.
"""

import json
import os
import resource
import runpy
import signal
import sys
import time
import traceback


def preload() -> None:
    """Imports what every command needs, but no entry point: ``runpy`` warns of modules that are already imported."""
    import albumentations  # noqa: F401
    import hydra  # noqa: F401
    import lightning  # noqa: F401
    import timm  # noqa: F401

    import agegender.comparison.comparison
    import agegender.data.datamodule
    import agegender.evaluation.results
    import agegender.training.module  # noqa: F401


def run(argv: list[str]) -> int:
    """Runs ``python -m argv[0] argv[1:]`` in this process and returns its exit status."""
    module, *arguments = argv
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as stop:
        if isinstance(stop.code, int) or stop.code is None:
            return stop.code or 0
        print(stop.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def child(job: dict) -> None:
    """Becomes the command; never returns."""
    os.setsid()  # its own process group, so that a timeout ends its children too
    os.chdir(job["cwd"])
    os.environ.update(job["env"])
    if job["largest"] is not None:  # a write beyond it fails, as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["largest"], job["largest"]))
    sys.path[0] = job["cwd"]  # as with python -m
    output = os.open(job["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode, closefd=False) for number, mode in enumerate("rww"))
    status = run(job["argv"])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status % 256)


def wait(pid: int, seconds: float) -> int | None:
    """Waits for a process; after the limit kills its process group."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return 128 - code if code < 0 else code
        time.sleep(0.01)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def main() -> None:
    """Serves until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    preload()
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        pid = os.fork()
        if pid == 0:
            child(job)
        print(json.dumps(wait(pid, job["seconds"])), file=answers, flush=True)


if __name__ == "__main__":
    main()
