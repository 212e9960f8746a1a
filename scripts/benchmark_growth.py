"""Measures how time and memory grow with the number of faces.

    python scripts/benchmark_growth.py
    python scripts/benchmark_growth.py --faces 1000 10000 200000

Draws small JPEG faces and measures, in new processes for each number of them: the first scan of the files, a later scan, the
search for near-identical copies, the split, the image cache, and training of an epoch with a tiny network. The first table is
CPU time for each face: what grows faster than the number of faces has a larger value in a later row. The second is the peak
memory of a process that prepares the data and of one that trains on prepared data. The tables come at the end; before, each
of their rows is printed when it is measured.
"""

import logging
import multiprocessing
import resource
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from measurements import Tables, announce, command

SIDE, THRESHOLD = 48, 24
TINY = ["image_size=16", "backbone.widths=[4,8]", "loader.num_workers=0", "loader.batch_size=128", "augment=flip"]


def draw(folder: Path, count: int) -> None:
    """Writes JPEG files with names like those of UTKFace; a tenth of them are brighter copies of the one before."""
    generator = np.random.default_rng(0)
    for number in range(count):
        if number % 10 != 9:
            coarse = generator.integers(0, 220, (8, 8, 3), dtype=np.uint8)
            image = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        else:
            image = cv2.add(image, np.full_like(image, 8))
        age, gender = generator.integers(1, 100), generator.integers(0, 2)
        part = folder / f"{number // 5000:03d}"
        part.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(part / f"{age}_{gender}_0_{number:017d}.jpg"), image)


def settings(folder: Path) -> dict[str, Any]:
    from agegender.configuration.command import compose

    return compose(
        [f"data.root={folder / 'faces'}", f"loader.cache_dir={folder / 'cache'}", "data=utkface", "trainer.max_epochs=1",
         "trainer.limit_val_batches=1", "test=false", "logger=none", *TINY]
    )  # fmt: skip


def prepare(folder: Path, count: int) -> dict[str, Any]:
    """The CPU seconds of each stage, and what it found."""
    from agegender.data.assemble import assemble
    from agegender.data.near_copies import group_near_copies
    from agegender.data.table import read_faces, select_faces

    draw(folder / "faces", count)
    data = assemble(settings(folder))
    seconds: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        began = time.process_time()
        result = work()
        seconds[name] = time.process_time() - began
        return result

    scan = lambda: read_faces(data.sources, data.cache_dir, progress=False, damaged=data.damaged)  # noqa: E731
    timed("scan", scan)
    faces = timed("later scan", scan)
    faces = timed("near copies", lambda: group_near_copies(faces, THRESHOLD))
    table = timed("split", lambda: select_faces(faces, data.split, data.age_range, data.duplicates))
    timed("cache and all of these again", data.prepare_data)
    groups = faces.frame["group"]
    return {
        "seconds": seconds,
        "work": {"faces": len(faces), "copies found": int(groups.duplicated().sum()), "in splits": len(table)},
        "memory": peak(),
    }


def train(folder: Path) -> dict[str, Any]:
    """The CPU seconds of the steps of an epoch, its faces, and the memory of the process."""
    from benchmark_training import lightning_step

    from agegender.data.assemble import assemble

    data = assemble(settings(folder))
    began = time.process_time()
    clock = lightning_step(settings(folder), data)
    return {
        "seconds": clock.cpu,
        "start": time.process_time() - began - clock.cpu,
        "memory": peak(),
        "faces": len(data.rows("train")),
    }


def peak() -> float:
    """Peak memory of this process, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def alone(threads: int, work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """The result of a function in a new process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=quiet, initargs=(threads,)) as pool:
        return pool.submit(work, *arguments).result()


def quiet(threads: int) -> None:
    """Limits PyTorch to a number of threads, and messages of a process to errors."""
    torch.set_num_threads(threads)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)


def main() -> None:
    parser = command(__doc__)
    parser.add_argument("--faces", type=int, nargs="+", default=[1000, 2000, 5000, 10000, 19000])
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    times, memory, work = [], [], []
    for count in arguments.faces:
        with tempfile.TemporaryDirectory() as name:
            prepared = alone(arguments.threads, prepare, Path(name), count)
            trained = alone(arguments.threads, train, Path(name))
        microseconds = {stage: 1e6 * seconds / count for stage, seconds in prepared["seconds"].items()}
        times.append({"faces": count, **microseconds, "training": 1e6 * trained["seconds"] / trained["faces"]})
        memory.append({"faces": count, "preparing, MB": prepared["memory"], "training, MB": trained["memory"],
                       "CPU s of an epoch": trained["seconds"], "CPU s before it": trained["start"]})  # fmt: skip
        work.append({"drawn": count, **prepared["work"], "trained on": trained["faces"]})
        announce(times[-1], memory[-1], work[-1])
    tables = Tables()
    tables.add("time", "CPU time for each face, us", times)
    tables.add("memory", "peak memory of the processes, and an epoch", memory)
    tables.add("work", "faces of each stage", work)
    tables.write(arguments.json)


if __name__ == "__main__":
    main()
