"""Compares the ways to run a network on a CPU: PyTorch, compiled, ONNX Runtime, int8; and measures what `Predictor` adds.

    python scripts/benchmark_latency.py
    python scripts/benchmark_latency.py --backbones mobilenetv2:224 efficientnet_b0:224 --batches 1 --threads 1

Networks have random weights, and both heads. A row has the milliseconds of a batch for each way, in CPU time with one thread
and in wall time with more, and how many times as fast ONNX Runtime is as PyTorch. The ways alternate, so that other load on
the machine slows them equally; only ratios of one row apply to other machines. `eager` has images and weights in PyTorch's
default layout, `channels_last` both in that layout.

The second table compares `Predictor` with ONNX Runtime alone on the same crops, and times a new process from its start to the
first prediction with a bundle.
"""

import argparse
import copy
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measurements import Row, Tables, alternated, announce, command, ratio

from agegender.configuration.command import compose
from agegender.inference.bundle import LABELS, MODEL, PREPROCESS, SCHEMA, OnnxModel
from agegender.inference.bundle_files import write_files
from agegender.inference.onnx_export import DeployedNetwork, to_onnx
from agegender.inference.predictor import Predictor
from agegender.inference.quantization import int8
from agegender.models.checkpoint import build_network

BACKBONES = (
    "custom_cnn:128", "mobilenetv1:224", "mobilenetv2:224", "mobilenetv3:224", "efficientnet_b0:224", "efficientnet_b2:260",
    "resnet50:224", "vgg16:224", "vit_b16:224",
)  # fmt: skip
WAYS = ("eager", "channels_last", "compiled", "onnxruntime", "int8")
FIRST = (
    "import sys, time; start = time.perf_counter(); import numpy as np; from agegender import Predictor; "
    "predictor = Predictor.load(sys.argv[1], threads=1); size = predictor.image_size; "
    "predictor.faces([np.zeros((size, size, 3), np.uint8)]); assert 'torch' not in sys.modules; print(time.process_time())"
)


def milliseconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """The least of three calls, which other load on the machine disturbs least."""
    times = []
    for _ in range(3):
        start = clock()
        work()
        times.append(1000 * (clock() - start))
    return min(times)


def deployed(backbone: str, size: int) -> DeployedNetwork:
    config = compose([f"backbone={backbone}", f"image_size={size}", "data.pretrained=false", "logger=none"])
    return DeployedNetwork(build_network(config, ["age", "gender"]).eval()).eval()


def ways_of(
    chosen: list[str], network: DeployedNetwork, models: dict[str, bytes], images: np.ndarray, threads: int
) -> dict[str, Callable[[], Sequence[Any]]]:
    """The ways to run a batch; each returns the ages first."""
    torch.set_num_threads(threads)
    last = torch.from_numpy(images)  # the network gets it as [B, 3, S, S] with channels last in memory
    default = last.permute(0, 3, 1, 2).contiguous().permute(0, 2, 3, 1)
    in_torch = {
        "eager": (network, default),
        "channels_last": (copy.deepcopy(network).to(memory_format=torch.channels_last), last),
        "compiled": (torch.compile(network), default),
    }

    def way(name: str) -> Callable[[], Sequence[Any]]:
        if name in models:
            model = OnnxModel(models[name], name, threads)
            return lambda: list(model.outputs(images).values())
        module, batch = in_torch[name]
        return torch.inference_mode()(lambda: module(batch))

    return {name: way(name) for name in chosen}


def warmed_up(ways: dict[str, Callable[[], Sequence[Any]]]) -> None:
    """Calls each way once, and ends the script if another than int8 estimates other ages."""
    ages = {name: np.asarray(run()[0]) for name, run in ways.items()}
    exact = [age for name, age in ages.items() if name != "int8"]
    if any(np.abs(age - exact[0]).max() > 0.01 for age in exact):
        raise SystemExit(f"the ways differ: {ages}")


def latency(name: str, options: argparse.Namespace) -> tuple[list[Row], list[Row]]:
    """Rows of both tables for a backbone."""
    backbone, _, side = name.partition(":")
    size, generator = int(side or 224), np.random.default_rng(0)
    network = deployed(backbone, size)
    models = {"onnxruntime": to_onnx(network)}
    if "int8" in options.ways:
        faces = generator.integers(0, 256, (16, size, size, 3), dtype=np.uint8)
        models["int8"] = int8(models["onnxruntime"], list(faces))
    rows: list[Row] = []
    for batch in options.batches:
        images = generator.integers(0, 256, (batch, size, size, 3), dtype=np.uint8)
        for threads in options.threads:
            torch.compiler.reset()
            ways = ways_of(options.ways, network, models, images, threads)
            warmed_up(ways)
            clock = time.process_time if threads == 1 else time.perf_counter
            times = alternated(
                {way: lambda run=run, clock=clock: milliseconds(run, clock) for way, run in ways.items()}, options.rounds
            )  # type: ignore[misc]
            row: dict[str, str | int | float | None] = {"backbone": backbone, "px": size, "batch": batch, "threads": threads}
            row |= {way: statistics.median(taken) for way, taken in times.items()}
            if {"eager", "onnxruntime"} <= times.keys():
                row["onnxruntime is faster by"] = ratio(times["eager"], times["onnxruntime"])
            rows.append(row)
            announce(row)
    return rows, [_overhead(backbone, size, models["onnxruntime"], batch, options.rounds) for batch in options.batches]


def _overhead(backbone: str, size: int, model: bytes, batch: int, rounds: int) -> Row:
    """`Predictor` against its session on the same crops in CPU time of one thread; and a new process."""
    images = np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle"
        about = {"schema": SCHEMA, "image_size": size, "face_place": None}
        write_files(bundle, {MODEL: model, PREPROCESS: about, LABELS: {"schema": SCHEMA, "age_range": [0, 116]}})
        predictor = Predictor.load(bundle, threads=1)
        crops = list(images)
        sides = {"alone": lambda: predictor.model.outputs(images), "predictor": lambda: predictor.faces(crops)}
        for run in sides.values():
            run()
        clock = time.process_time
        times = alternated({side: lambda run=run: milliseconds(run, clock) for side, run in sides.items()}, rounds)  # type: ignore[misc]
        alone, whole = (statistics.median(taken) for taken in times.values())
        added = statistics.median(b - a for a, b in zip(times["alone"], times["predictor"], strict=True))
        start = time.perf_counter()
        first = subprocess.run([sys.executable, "-c", FIRST, str(bundle)], capture_output=True, text=True, check=True)
        seconds = time.perf_counter() - start
    return {
        "backbone": backbone, "px": size, "batch": batch, "session ms": alone, "predictor ms": whole, "added ms": added,
        "new process s": seconds, "its CPU s": float(first.stdout),
    }  # fmt: skip


def main() -> None:
    parser = command(__doc__)
    parser.add_argument("--backbones", nargs="+", default=BACKBONES, metavar="NAME:SIZE")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="compiled needs a C++ compiler")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    measured = [latency(name, options) for name in options.backbones]
    tables = Tables()
    tables.add(
        "latency",
        "milliseconds of a batch: CPU time with one thread, wall time with more",
        [row for rows, _ in measured for row in rows],
    )
    tables.add(
        "predictor",
        "Predictor beside ONNX Runtime alone: CPU time of one thread",
        [row for _, rows in measured for row in rows],
    )
    tables.write(options.json)


if __name__ == "__main__":
    main()
