"""Measures how long training takes until a validation MAE is reached: this project's recipe, a plain script, a paper's recipe.

    python scripts/benchmark_accuracy.py --root UTKFACE --weights mobilenetv1_100_vggface2.safetensors
    python scripts/benchmark_accuracy.py --root UTKFACE --weights FILE --epochs 2 4 --subset 2000 --sides recipe plain

The recipe is MobileNetV1 at 112 px with DLDL, a one-cycle schedule and averaged weights, for 6 epochs. The plain script is
``scripts/baseline_plain.py``: the same faces, size and weights, for 12 epochs. The paper's recipe is
``experiment=effb0_multitask``, EfficientNet-B0 at 224 px, for up to 30 epochs; give its weights with ``--paper-weights``. All
sides train on the same split; the sides run one after the other. Times count from the start of each command, so they include
imports and the cache of images: minutes of the clock, and of CPU time of the command with its workers. A side reaches an MAE at
the end of an epoch. The last MAE in the table is the best of the plain script.
"""

import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measurements import Row, Tables, command, require_same_work

SCRIPTS = Path(__file__).parent
TICK = os.sysconf("SC_CLK_TCK")
RECIPE = ["backbone=mobilenetv1", "backbone.pad_type=same", "head=dldl", "trunk=dropout",
          "trunk.layers.0.p=0.2", "augment=standard", "schedule=one_cycle", "callbacks=ema", "callbacks.ema.decay=0.998",
          "optimizer.lr=1.5e-3", "optimizer.backbone_lr_scale=0.2", "optimizer.weight_decay=0.05"]  # fmt: skip
PAPER = ["experiment=effb0_multitask"]


@dataclass(frozen=True)
class Epoch:
    """A validated epoch, and the minutes since the start of the command at its end."""

    mae: float
    wall: float
    cpu: float


def cpu_seconds(session: int) -> float:
    """CPU time of a session: of its processes, and of the ended ones that these waited for."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(fields[3]) == session:
            ticks += sum(map(int, fields[11:15]))
    return ticks / TICK


def watched(words: Sequence[str], history: Path) -> list[Epoch]:
    """Runs a command in a session of its own, and notes when a row is added to its history."""
    began, epochs = time.perf_counter(), []
    process = subprocess.Popen([sys.executable, *words], start_new_session=True)
    running = True
    while running:
        running, cpu, now = process.poll() is None, cpu_seconds(process.pid), time.perf_counter()
        rows = list(csv.DictReader(history.read_text().splitlines())) if history.exists() else []
        epochs += [Epoch(float(row["val/age_mae"]), (now - began) / 60, cpu / 60) for row in rows[len(epochs) :]]
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)}: exit status {process.returncode}")
    return epochs


def reached(epochs: Sequence[Epoch], mae: float) -> Epoch | None:
    return next((epoch for epoch in epochs if epoch.mae <= mae), None)


def faces_of(split: Path) -> dict[str, Any]:
    """Numbers of training and validation faces of a split file."""
    with split.open(newline="") as file:
        parts = [row["split"] for row in csv.DictReader(file)]
    return {"train faces": parts.count("train"), "val faces": parts.count("val")}


def main() -> None:
    parser = command(__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of UTKFace")
    parser.add_argument("--weights", type=Path, help="of MobileNetV1, for both sides; random without it")
    parser.add_argument("--paper-weights", type=Path, help="of EfficientNet-B0; random without it")
    parser.add_argument("--sides", nargs="+", choices=["recipe", "plain", "paper"], default=["recipe", "plain"])
    parser.add_argument("--epochs", type=int, nargs="+", help="one number for each side; by default 6, 12 and 30")
    parser.add_argument("--subset", default="null", help="number of faces to draw first")
    parser.add_argument("--maes", type=float, nargs="+", default=[5.5, 5.0, 4.5], help="in years")
    parser.add_argument("--size", type=int, default=112, help="pixels, of recipe and plain script")
    parser.add_argument("--batch-size", type=int, default=64, help="of recipe and plain script")
    parser.add_argument("--out", type=Path, help="folder to keep the runs in; by default they are removed")
    arguments = parser.parse_args()
    sides = ["recipe", *(side for side in arguments.sides if side != "recipe")]  # first, because it writes the split
    default = {"recipe": 6, "plain": 12, "paper": 30}
    epochs = dict(zip(sides, arguments.epochs or [default[side] for side in sides], strict=True))

    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.out or Path(temporary)

        def train(side: str, settings: Sequence[str], weights: Path | None) -> list[Epoch]:
            given = [f"backbone.weights={weights.resolve()}"] if weights else ["backbone.pretrained=false"]
            words = ["data=utkface", f"data.root={arguments.root.resolve()}", *settings, *given, "test=false", "logger=none",
                     "split.fractions=[0.7,0.15,0.15]", f"split.subset={arguments.subset}",
                     f"loader.cache_dir={folder}/{side}-cache",
                     f"trainer.max_epochs={epochs[side]}", f"hydra.run.dir={folder}/{side}"]  # fmt: skip
            return watched(["-m", "agegender.train", *words], folder / side / "history.csv")

        found: dict[str, list[Epoch]] = {}
        split = folder / "recipe" / "split.csv"
        for side in sides:
            if side == "recipe":
                found[side] = train(
                    side,
                    [*RECIPE, f"image_size={arguments.size}", f"loader.batch_size={arguments.batch_size}"],
                    arguments.weights,
                )
            elif side == "paper":
                found[side] = train(side, PAPER, arguments.paper_weights)
            else:
                words = [f"--split={split}", f"--root={arguments.root}", f"--out={folder / side}", f"--size={arguments.size}",
                         f"--epochs={epochs[side]}", f"--batch-size={arguments.batch_size}",
                         *([f"--weights={arguments.weights}"] if arguments.weights else [])]  # fmt: skip
                found[side] = watched([str(SCRIPTS / "baseline_plain.py"), *words], folder / side / "history.csv")
        report(found, arguments.maes, folder).write(arguments.json)


def report(found: dict[str, list[Epoch]], maes: Sequence[float], folder: Path) -> Tables:
    """The epochs of all sides, the times to reach each MAE, and the faces of each side."""
    tables = Tables()
    rows: list[Row] = [
        {"side": side, "epoch": number + 1, "MAE": epoch.mae, "minutes": epoch.wall, "CPU minutes": epoch.cpu}
        for side, epochs in found.items()
        for number, epoch in enumerate(epochs)
    ]
    tables.add("epochs", "validation MAE in years at the end of each epoch", rows)
    own = [min(epoch.mae for epoch in found["plain"])] if "plain" in found else []
    times: list[Row] = []
    for mae in [*maes, *own]:
        row: dict[str, Any] = {"MAE": mae}
        for side, epochs in found.items():
            epoch, first = reached(epochs, mae), reached(found["recipe"], mae)
            row |= {f"{side}, min": epoch and epoch.wall, f"{side}, CPU min": epoch and epoch.cpu}
            if side != "recipe":
                row[f"times {side}"] = epoch.cpu / first.cpu if epoch and first else None
        times.append(row)
    tables.add("times", "minutes until an MAE is reached, and how many times the CPU time of the recipe", times)
    work: list[Row] = []
    for side in found:
        if side == "plain":
            with (folder / side / "history.csv").open(newline="") as file:
                first_row = next(csv.DictReader(file))
            work.append({"side": side, "train faces": int(first_row["train_faces"]), "val faces": int(first_row["val_faces"])})
        else:
            work.append({"side": side, **faces_of(folder / side / "split.csv")})
    tables.add("work", "faces of each side", work)
    require_same_work(work)
    return tables


if __name__ == "__main__":
    main()
