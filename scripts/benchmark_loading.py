"""Compares loading from the image cache with decoding the files at every use.

    python scripts/benchmark_loading.py
    python scripts/benchmark_loading.py --root FOLDER_OF_FACES --size 112 --augment geometric

Prints the CPU time of one core with and without augmentation, then the images/s of the cache through a DataLoader with
worker processes. All values are medians over rounds, in which the measurements alternate. Only their ratios apply to other
machines. With small images, a DataLoader's transfer of batches through shared memory takes about as much time as the
workers save; therefore a CPU trainer has no workers by default.
"""

import argparse
import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader

from agegender.data.augment import Flip, Geometric, Standard, Unchanged
from agegender.data.batches import EvalBatches, TrainBatches
from agegender.data.cache import DecodedImages, ImageCache
from agegender.data.dataset import FaceDataset

AUGMENTS = {"standard": Standard, "geometric": Geometric, "flip": Flip, "none": Unchanged}


def draw_faces(folder: Path, count: int, side: int = 200) -> list[Path]:
    """Writes JPEG files with the size of aligned faces: 7 to 10 kB at 200 px."""
    generator = np.random.default_rng(0)
    files = []
    for number in range(count):
        coarse = generator.integers(0, 256, (10, 10, 3), dtype=np.uint8)
        fine = generator.normal(0, 5, (side, side, 3))
        image = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC) + fine
        files.append(folder / f"{number:05d}.jpg")
        cv2.imwrite(str(files[-1]), image.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return files


def seconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    work()
    return clock() - start


def interleaved(ways: dict[str, Callable[[], object]], rounds: int, clock: Callable[[], float]) -> dict[str, float]:
    """Returns the median seconds of each way. Ways alternate, so that other load on the machine slows them equally."""
    for work in ways.values():
        work()
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, work in ways.items():
            taken[name].append(seconds(work, clock))
    return {name: statistics.median(times) for name, times in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="folder of JPEG faces; by default, images are generated")
    parser.add_argument("--faces", type=int, default=512)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--augment", choices=sorted(AUGMENTS), default="standard")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 1, 2])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = arguments.root
        files = sorted(root.rglob("*.jpg"))[: arguments.faces] if root else draw_faces(Path(folder), arguments.faces)
        measure(files, Path(folder), arguments)


def measure(files: list[Path], folder: Path, arguments: argparse.Namespace) -> None:
    """Prints the three comparisons."""
    count, size = len(files), arguments.size
    hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    cache = ImageCache.open_or_build(files, hashes, size, folder, progress=False)
    unknown, rows = np.full(count, np.nan), np.arange(count)
    batches = TrainBatches(rows, arguments.batch_size, seed=0)
    loaded = len(batches) * min(arguments.batch_size, count)
    augment = AUGMENTS[arguments.augment]()

    def epoch(dataset: FaceDataset, order: TrainBatches | EvalBatches = batches) -> None:
        for index in order:
            dataset[index]

    def dataset(images: object, augmented: bool = True) -> FaceDataset:
        return FaceDataset(images, unknown, unknown, np.full(count, -1), augment if augmented else None)  # type: ignore[arg-type]

    decoded = DecodedImages(files, size)
    print(
        f"{count} faces, {np.mean([file.stat().st_size for file in files]) / 1e3:.1f} kB each; {size} px, "
        f"augment={arguments.augment}, batches of {arguments.batch_size}, {arguments.rounds} rounds"
    )
    ways = {
        "decode at every use, augmented": lambda: epoch(dataset(decoded)),
        "cache, augmented": lambda: epoch(dataset(cache)),
        "decode at every use, plain": lambda: epoch(dataset(decoded, augmented=False)),
        "cache, plain": lambda: epoch(dataset(cache, augmented=False)),
    }
    times = interleaved(ways, arguments.rounds, time.process_time)
    print("\none process, CPU time of one core:")
    for name, taken in times.items():
        print(f"  {name:32} {1e6 * taken / loaded:7.0f} us an image {loaded / taken:9.0f} images/s")
    augmented, plain = (times[f"decode at every use, {way}"] / times[f"cache, {way}"] for way in ("augmented", "plain"))
    print(f"  the cache is {augmented:.1f} times as fast with augmentation, {plain:.1f} times without")

    print("\ncache, augmented, through DataLoader, wall time:")
    loaders = {
        workers: DataLoader(
            dataset(cache), batch_size=None, sampler=batches, num_workers=workers, persistent_workers=workers > 0
        )
        for workers in arguments.workers
    }
    walls = interleaved(
        {f"{workers} workers": lambda loader=loader: list(map(len, loader)) for workers, loader in loaders.items()},
        arguments.rounds,
        time.perf_counter,
    )
    for name, taken in walls.items():
        print(f"  {name:32} {1e6 * taken / loaded:7.0f} us an image {loaded / taken:9.0f} images/s")


if __name__ == "__main__":
    main()
