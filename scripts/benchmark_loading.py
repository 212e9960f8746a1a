"""Compares loading from the image cache with decoding the files at every use.

    python scripts/benchmark_loading.py
    python scripts/benchmark_loading.py --root FOLDER_OF_FACES --size 112 --augment geometric

The first table is the CPU time of one core: files or cache, not augmented, augmented by this package, or augmented by the same
transforms of albumentations. The second is the wall time of a loop that takes batches from the cache through worker processes:
by the loader of this package and by a DataLoader of PyTorch with its defaults. Beside it is the CPU time of the loop and of
its workers, which other programs change less. The third is the CPU time of such a loop for cached features of a frozen
backbone. The last is the CPU time of faces in boxes: the files are decoded, and boxes with 80% of the sides are cut out,
upright or rotated by 20 degrees, instead of resizing the whole image. All values are medians over rounds, in which the sides
alternate. Only their ratios apply to other machines.
"""

import hashlib
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from measurements import Tables, alternated, command, ratio, require_same_work
from torch.utils.data import DataLoader

from agegender.data.augment import Albumentations, Flip, Geometric, Standard, Unchanged
from agegender.data.batches import TrainBatches
from agegender.data.cache import DecodedImages, ImageCache
from agegender.data.dataset import FaceDataset, Images
from agegender.data.features import FeatureCache, Features
from agegender.data.timed_loader import TimedLoader
from agegender.sources.box import Region
from agegender.sources.images import read
from agegender.training.allocator import keep_freed_memory

FLIP = {"HorizontalFlip": {"p": 0.5}}
AUGMENTS: dict[str, tuple[Callable[[], Any], list[dict[str, Any]]]] = {
    "standard": (
        Standard,
        [
            FLIP,
            {"RandomBrightnessContrast": {"brightness_limit": 0.3, "contrast_limit": 0.3, "p": 0.5}},
            {"GaussianBlur": {"blur_limit": (3, 7), "p": 0.2}},
            {"CoarseDropout": {
                "num_holes_range": (4, 4), "hole_height_range": (30, 30), "hole_width_range": (30, 30), "p": 0.3,
            }},
        ],
    ),
    "geometric": (
        Geometric,
        [
            FLIP,
            {"Affine": {
                "rotate": (-36, 36), "scale": (0.9, 1.1), "keep_ratio": True, "border_mode": cv2.BORDER_REFLECT,
                "translate_percent": {"x": (-0.1, 0.1), "y": (-0.1, 0.1)}, "p": 1.0,
            }},
            {"ColorJitter": {"brightness": (1, 1), "contrast": (0.9, 1.1), "saturation": (1, 1), "hue": (0, 0), "p": 1.0}},
        ],
    ),
    "flip": (Flip, [FLIP]),
    "none": (Unchanged, []),
}  # fmt: skip


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


def work_of(side: str, batches: Iterable[dict[str, torch.Tensor]]) -> dict[str, Any]:
    """What a side does in an epoch: its faces, and a checksum of all pixels in the order of the faces."""
    faces, pixels = 0, hashlib.sha256()
    for batch in batches:
        faces += len(batch["index"])
        pixels.update(batch["index"].numpy().tobytes())
        pixels.update(batch["image"].contiguous().numpy().tobytes())
    return {"side": side, "faces": faces, "pixels": pixels.hexdigest()[:12]}


def one_core(
    tables: Tables,
    sources: dict[str, Images],
    augments: dict[str, Any],
    dataset: Any,
    batches: TrainBatches,
    rounds: int,
    name: str,
) -> None:
    """The first table; images are the same from files and from the cache, before and after augmentation."""
    sides = {(source, kind): dataset(sources[source], augments[kind]) for kind in augments for source in sources}
    works = {side: work_of(" ".join(side), (data[index] for index in batches)) for side, data in sides.items()}
    for kind in augments:
        require_same_work([works[source, kind] for source in sources])
    tables.add("work", "faces and pixels of each side", list(works.values()))

    def epoch(data: FaceDataset) -> float:
        began = time.process_time()
        for index in batches:
            data[index]
        return time.process_time() - began

    seconds = alternated({f"{source}, {kind}": partial(epoch, data) for (source, kind), data in sides.items()}, rounds)
    faces = next(iter(works.values()))["faces"]
    tables.add(
        "one_core", name,
        [{"side": side, "CPU us an image": 1e6 * statistics.median(values) / faces,
          "times files, albumentations": ratio(seconds["files, albumentations"], values),
          "times files": ratio(seconds[side.replace("cache", "files")], values)}
         for side, values in seconds.items()],
    )  # fmt: skip


def of_children() -> float:
    """CPU seconds so far of all worker processes, on Linux."""
    tasks = [task for child in active_children() for task in Path(f"/proc/{child.pid}/task").glob("*/schedstat")]
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def workers(tables: Tables, data: FaceDataset, batches: TrainBatches, counts: list[int], rounds: int) -> None:
    """The second table."""
    loaders: dict[str, Any] = {}
    for count in counts:
        loaders[f"{count} workers"] = TimedLoader(data, count, sampler=batches)
        if count:
            options = {"batch_size": None, "num_workers": count, "persistent_workers": True}
            loaders[f"{count} workers, PyTorch"] = DataLoader(data, sampler=batches, **options)  # type: ignore[arg-type]
    works = [work_of(side, loader) for side, loader in loaders.items()]
    tables.add("loader_work", "faces and pixels of each loader", works)
    require_same_work(works)
    parent: dict[str, list[float]] = {side: [] for side in loaders}
    children: dict[str, list[float]] = {side: [] for side in loaders}

    def epoch(side: str) -> float:
        began, cpu_began, children_began = time.perf_counter(), time.process_time(), of_children()
        for batch in loaders[side]:
            batch["image"].permute(0, 2, 3, 1).reshape(-1)[::4096].max()  # reads each page of memory
        parent[side].append(time.process_time() - cpu_began)
        children[side].append(of_children() - children_began)
        return time.perf_counter() - began

    seconds = alternated({side: partial(epoch, side) for side in loaders}, rounds)
    first, faces = next(iter(loaders)), works[0]["faces"]
    tables.add(
        "loaders", "cache, augmented here, taken through a loader",
        [{"side": side, "images a second": faces / statistics.median(values), "speed": ratio(seconds[first], values),
          "CPU us an image, parent": 1e6 * statistics.median(parent[side]) / faces,
          "workers": 1e6 * statistics.median(children[side]) / faces}
         for side, values in seconds.items()],
    )  # fmt: skip


def features(tables: Tables, folder: Path, batches: TrainBatches, counts: list[int], rounds: int) -> None:
    """The third table: vectors of random numbers."""
    count, width = len(batches.indices), 1280
    vectors = np.random.default_rng(0).normal(size=(count, width)).astype(np.float32)
    cache = FeatureCache.open_or_build(["drawn"], batches.indices, (width,), False, folder, [vectors])
    unknown = np.full(count, np.nan)
    data = FaceDataset(DecodedImages([], 1), unknown, unknown, np.full(count, -1), features=Features([cache], math.inf))
    loaders = {f"{number} workers": TimedLoader(data, number, sampler=batches) for number in counts}

    def epoch(loader: TimedLoader) -> float:
        began = time.process_time()
        for _ in loader:
            pass
        return time.process_time() - began

    seconds = alternated({side: partial(epoch, loader) for side, loader in loaders.items()}, 1 + rounds)
    tables.add(
        "features", f"cached features of {width} values, taken through a loader",
        [{"side": side, "CPU us a batch, parent": 1e6 * statistics.median(values[1:]) / len(batches)}
         for side, values in seconds.items()],
    )  # fmt: skip


def boxes(tables: Tables, files: list[Path], size: int, rounds: int) -> None:
    """The last table. All sides decode the same files."""
    upright, rotated = [], []
    cosine, sine = math.cos(math.radians(20)), math.sin(math.radians(20))
    for file in files:
        height, width = read(file).shape[:2]
        box = Region.of_image(width, height).scaled(0.8, 0.8)
        upright.append(box)
        across, down = box.sides
        rotated.append(Region(box.x, box.y, across * cosine, across * sine, -down * sine, down * cosine))
    sides = {"whole image": DecodedImages(files, size), "box": DecodedImages(files, size, upright)}
    sides["rotated box"] = DecodedImages(files, size, rotated)
    rows = np.arange(len(files))

    def load(images: DecodedImages) -> float:
        began = time.process_time()
        for start in range(0, len(rows), 32):
            images[rows[start : start + 32]]
        return time.process_time() - began

    seconds = alternated({side: partial(load, images) for side, images in sides.items()}, rounds)
    tables.add(
        "boxes", "decoded files, one core",
        [{"side": side, "CPU us an image": 1e6 * statistics.median(values) / len(files),
          "times whole image": ratio(values, seconds["whole image"])}
         for side, values in seconds.items()],
    )  # fmt: skip


def main() -> None:
    parser = command(__doc__)
    parser.add_argument("--root", type=Path, help="folder of JPEG faces; by default, images are drawn")
    parser.add_argument("--faces", type=int, default=512)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--augment", choices=sorted(AUGMENTS), default="standard")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 1, 2])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()  # as training does
    tables = Tables()
    with tempfile.TemporaryDirectory() as name:
        folder, root = Path(name), arguments.root
        files = sorted(root.rglob("*.jpg"))[: arguments.faces] if root else draw_faces(folder, arguments.faces)
        count, size = len(files), arguments.size
        hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
        sources: dict[str, Images] = {
            "files": DecodedImages(files, size),
            "cache": ImageCache.open_or_build(files, hashes, size, folder, progress=False),
        }
        unknown = np.full(count, np.nan)
        batches = TrainBatches(np.arange(count), arguments.batch_size, seed=0)

        def dataset(images: Images, augment: Any) -> FaceDataset:
            return FaceDataset(images, unknown, unknown, np.full(count, -1), augment)

        own, steps = AUGMENTS[arguments.augment]
        augments = {"not augmented": None, "augmented here": own(), "albumentations": Albumentations(steps)}
        kilobytes = np.mean([file.stat().st_size for file in files]) / 1e3
        about = (
            f"{count} faces of {kilobytes:.1f} kB at {size} px, augment={arguments.augment}, batches of {arguments.batch_size}"
        )
        one_core(tables, sources, augments, dataset, batches, arguments.rounds, about)
        if arguments.workers:
            workers(tables, dataset(sources["cache"], own()), batches, arguments.workers, arguments.rounds)
            features(tables, folder, batches, arguments.workers, arguments.rounds)
        boxes(tables, files, size, arguments.rounds)
    tables.write(arguments.json)


if __name__ == "__main__":
    main()
