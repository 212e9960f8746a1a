"""Latency and memory of `agegender.serve` under load: photos, and one unusable request in ten, several at a time.

python scripts/benchmark_serve.py FOLDER --requests 1000 --parallel 1 8 32 --model RUN_DIR_OR_BUNDLE

Further arguments are those of agegender.serve. A request that gets no answer or another status than it must ends the script.
"""

import base64
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
from measurements import Row, Tables, command

UNUSABLE = [b"{", b'{"image": 1}', json.dumps({"image": base64.b64encode(b"no image").decode()}).encode()]


@contextmanager
def server(arguments: list[str]) -> Iterator[tuple[int, int]]:
    """Starts a server on a free port; the port and the process ID of its group."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "agegender.serve", "--port", str(port), *arguments]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        while not healthy(port):
            if process.poll() is not None:
                raise SystemExit("the server did not start")
            time.sleep(0.1)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(60)


def healthy(port: int) -> bool:
    try:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False


def processes(group: int) -> Iterator[Path]:
    """Folders in /proc of the processes of a group."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(ProcessLookupError):
            if os.getpgid(int(folder.name)) == group:
                yield folder


def memory(group: int) -> float:
    """Memory of all processes of a group in MB; pages that several of them share are counted once."""
    return sum(int((one / "smaps_rollup").read_text().split("\nPss:")[1].split()[0]) for one in processes(group)) / 1e3


def cpu_seconds(group: int) -> float:
    """CPU time of all processes of a group so far."""
    ticks = [(one / "stat").read_text().rpartition(")")[2].split()[11:13] for one in processes(group)]
    return sum(int(ticks) for both in ticks for ticks in both) / os.sysconf("SC_CLK_TCK")


def load(port: int, bodies: list[bytes], parallel: int) -> list[tuple[int, float]]:
    """Sends the bodies, so many at a time; status and seconds of each."""
    own = threading.local()

    def send(body: bytes) -> tuple[int, float]:
        if not hasattr(own, "connection"):
            own.connection = HTTPConnection("127.0.0.1", port, timeout=60)
        start = time.perf_counter()
        own.connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        answer = own.connection.getresponse()
        json.loads(answer.read())
        return answer.status, time.perf_counter() - start

    with ThreadPoolExecutor(parallel) as pool:
        return list(pool.map(send, bodies))


def main() -> None:
    parser = command(__doc__)
    parser.allow_abbrev = False
    parser.add_argument("folder", type=Path, help="photos or faces; the first 100 are sent again and again")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--parallel", type=int, nargs="+", default=[1, 8, 32])
    options, further = parser.parse_known_args()
    files = sorted(file for file in options.folder.iterdir() if file.is_file())[:100]
    photos = [json.dumps({"image": base64.b64encode(file.read_bytes()).decode()}).encode() for file in files]
    bodies, expected = [], []
    for number in range(options.requests):
        unusable = number % 10 == 9
        bodies.append(UNUSABLE[number // 10 % 3] if unusable else photos[number % len(photos)])
        expected.append(422 if unusable else 200)

    rows: list[Row] = []
    with server(further) as (port, group):
        load(port, photos[:32], 8)  # the first batches allocate memory
        before = memory(group)
        for parallel in options.parallel:
            start, used = time.perf_counter(), cpu_seconds(group)
            answers = load(port, bodies, parallel)
            seconds, used = time.perf_counter() - start, cpu_seconds(group) - used
            wrong = sum(status != wanted for (status, _), wanted in zip(answers, expected, strict=True))
            if wrong:
                raise SystemExit(f"{wrong} of {len(answers)} answers have the wrong status")
            times = np.array([taken for _, taken in answers]) * 1e3
            percentiles = dict(
                zip(("median, ms", "90%, ms", "99%, ms"), np.percentile(times, [50, 90, 99]).tolist(), strict=True)
            )
            rows.append({
                "at once": parallel, "requests": len(answers), "requests/s": len(answers) / seconds,
                "CPU, ms a request": used / len(answers) * 1e3, **percentiles, "longest, ms": float(times.max()),
                "memory before, MB": before, "memory after, MB": (before := memory(group)),
            })  # fmt: skip
    tables = Tables()
    tables.add("serve", "every request was answered with its status; one in ten was unusable", rows)
    tables.write(options.json)


if __name__ == "__main__":
    main()
