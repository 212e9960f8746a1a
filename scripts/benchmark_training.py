"""Measures what Lightning and data loading add to a training step.

    python scripts/benchmark_training.py
    python scripts/benchmark_training.py --backbone mobilenetv2 --image-size 224 --faces 400 --threads 2 loader.num_workers=1

Makes two comparisons, with alternating measurements in one process:

1. A step of the real command (progress bar, metrics, callbacks and CSV logger) and the same step in a plain PyTorch loop, of a
   tiny network, on batches in memory.
2. A step of the real command from the image cache, with loading and augmentation, and the same step on batches in memory.

Both sides of a comparison train on the same images and end with the same weights; the first round checks this. Validation,
checkpoints and the end of the epoch are not timed. More settings of the second comparison may follow, as for
``agegender.train``.
"""

import contextlib
import hashlib
import io
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning as L
import torch
from measurements import Tables, alternated, command, ratio, require_same_work

from agegender.configuration.build import build
from agegender.configuration.command import compose
from agegender.data.assemble import assemble
from agegender.data.datamodule import FaceDataModule
from agegender.data.timed_loader import TimedLoader
from agegender.runs.run_directory import RunDirectory
from agegender.training.allocator import keep_freed_memory
from agegender.training.assemble import assemble_module
from agegender.training.module import AgeGenderModule
from agegender.training.task_losses import loss_sums, means_over_ranks
from agegender.training.trainer import training_trainer

TINY = ["image_size=16", "backbone.widths=[4,8]"]  # with a larger network, the difference would be too small to measure
COMMON = ["trainer.max_epochs=1", "trainer.limit_val_batches=1", "test=false"]
Batches = list[dict[str, torch.Tensor]]


class Work:
    """What one side did: a checksum of the faces and pixels of all batches, and of the weights after them."""

    def __init__(self) -> None:
        self.faces = self.pixels = 0
        self.weights = ""
        self._images = hashlib.sha256()

    def add(self, batch: dict[str, torch.Tensor]) -> None:
        self.faces += len(batch["index"])
        self.pixels += batch["image"][:, 0].numel()
        for key in ("index", "image"):
            self._images.update(batch[key].contiguous().numpy().tobytes())

    def end(self, module: AgeGenderModule) -> None:
        weights = hashlib.sha256()
        for value in module.state_dict().values():
            weights.update(value.contiguous().numpy().tobytes())
        self.weights = weights.hexdigest()[:12]

    def row(self, side: str) -> dict[str, Any]:
        images = self._images.hexdigest()[:12]
        return {"side": side, "faces": self.faces, "pixels": self.pixels, "images": images, "weights": self.weights}


class Clock(L.Callback):
    """Measures the seconds of the training steps, from the first to the validation after the last."""

    def __init__(self, work: Work | None) -> None:
        self.work = work

    def on_train_epoch_start(self, *_: Any) -> None:
        self.cpu, self.wall = time.process_time(), time.perf_counter()

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.work:
            self.work.add(batch)

    def on_validation_start(self, *_: Any) -> None:
        self.cpu, self.wall = time.process_time() - self.cpu, time.perf_counter() - self.wall


class Terminal(io.StringIO):
    """A terminal that nobody reads, so that the progress bar is drawn."""

    def isatty(self) -> bool:
        return True


def new_module(config: dict[str, Any], data: FaceDataModule) -> AgeGenderModule:
    L.seed_everything(0, verbose=False)
    return assemble_module(config, {}, data.crops).train()


def in_memory(config: dict[str, Any], batches: Batches) -> FaceDataModule:
    """The data of a configuration, with given batches in place of those of its training epoch."""
    data = assemble(config)
    data.train_dataloader = lambda: TimedLoader(batches, batch_size=None)  # type: ignore[method-assign, arg-type]
    return data


def lightning_step(config: dict[str, Any], data: FaceDataModule, work: Work | None = None) -> Clock:
    """Times the steps of an epoch as ``agegender.train`` does them."""
    with tempfile.TemporaryDirectory() as folder, on_terminal():
        run, clock, module = RunDirectory(Path(folder)), Clock(work), new_module(config, data)
        trainer = training_trainer(config, run, [clock, *build(config["callbacks"], "callbacks").values()])
        data.trainer = trainer
        data.prepare_data()
        trainer.fit(module, datamodule=data)
        if work:
            work.end(module)
    return clock


@contextlib.contextmanager
def on_terminal() -> Iterator[None]:
    terminal = Terminal()
    with contextlib.redirect_stdout(terminal), contextlib.redirect_stderr(terminal):
        yield


def plain_step(config: dict[str, Any], data: FaceDataModule, batches: Batches, work: Work | None = None) -> float:
    """The CPU seconds of the same steps in a plain loop: forward, loss, backward, optimizer, schedule."""
    module = new_module(config, data)
    optimizer = module.optimizer.build(module)
    schedule = module.schedule.build(optimizer, total_steps=len(batches), steps_per_epoch=len(batches))["scheduler"]
    began = time.process_time()
    for batch in batches:
        outputs = module.network(batch["image"])
        loss = module.balance(*means_over_ranks(*loss_sums(module.network.heads, outputs, batch)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    seconds = time.process_time() - began
    if work:
        for batch in batches:
            work.add(batch)
        work.end(module)
    return seconds


def batches_of(config: dict[str, Any]) -> Batches:
    """The batches of the first epoch, with their augmentation, in memory."""
    data = assemble(config)
    data.prepare_data()
    data.setup("fit")
    return [{**batch, "image": batch["image"].clone()} for batch in data.train_dataloader()]


def overhead(tables: Tables, config: dict[str, Any], rounds: int) -> None:
    """The first comparison."""
    batches = batches_of(config)
    plain, lightning, data = Work(), Work(), in_memory(config, batches)
    plain_step(config, data, batches, plain)
    lightning_step(config, data, lightning)
    seconds = alternated(
        {
            "plain loop": lambda: plain_step(config, data, batches),
            "agegender.train": lambda: lightning_step(config, data).cpu,
        },
        rounds,
    )
    steps = {side: [1000 * one / len(batches) for one in values] for side, values in seconds.items()}
    more = [b - a for a, b in zip(*steps.values(), strict=True)]
    tables.add(
        "overhead", f"CPU time of a step, tiny network: {len(batches)} steps of {len(batches[0]['index'])} faces in memory",
        [{"side": side, "ms": statistics.median(values), "least": min(values), "most": max(values)}
         for side, values in [*steps.items(), ("added by agegender.train", more)]],
    )  # fmt: skip
    works = [plain.row("plain loop"), lightning.row("agegender.train")]
    tables.add("overhead_work", "work of both sides", works)
    require_same_work(works)


def loading(tables: Tables, config: dict[str, Any], rounds: int, name: str) -> None:
    """The second comparison."""
    batches = batches_of(config)
    sides = {"batches in memory": in_memory(config, batches), "image cache": assemble(config)}
    works = {side: Work() for side in sides}
    for side, data in sides.items():
        lightning_step(config, data, works[side])
    clocks: dict[str, list[Clock]] = {side: [] for side in sides}

    def measured(side: str) -> float:
        clocks[side].append(lightning_step(config, sides[side]))
        return clocks[side][-1].wall

    walls = alternated({side: lambda side=side: measured(side) for side in sides}, rounds)
    cpu = {side: [clock.cpu for clock in clocks[side]] for side in sides}
    memory = "batches in memory"
    tables.add(
        "loading", f"a training step, {name}: {len(batches)} steps of {len(batches[0]['index'])} faces",
        [{"side": side, "CPU ms": 1000 * statistics.median(cpu[side]) / len(batches),
          "wall ms": 1000 * statistics.median(walls[side]) / len(batches),
          "speed by CPU time": ratio(cpu[memory], cpu[side]), "speed by wall time": ratio(walls[memory], walls[side])}
         for side in sides],
    )  # fmt: skip
    rows = [works[side].row(side) for side in sides]
    tables.add("loading_work", "work of both sides", rows)
    require_same_work(rows)


def main() -> None:
    parser = command(__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--faces", type=int, default=4000, help="number of generated toy faces; four fifths are trained on")
    parser.add_argument("--backbone", default="custom_cnn", help="of the second comparison")
    parser.add_argument("--image-size", type=int, default=64, help="of the second comparison")
    parser.add_argument("overrides", nargs="*", help="more settings of the second comparison, as for agegender.train")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)

    tables = Tables()
    with tempfile.TemporaryDirectory() as folder:
        drawn = f"data.sources.toyfaces.n={arguments.faces}"
        base = [*COMMON, f"loader.cache_dir={folder}", f"data.root={folder}", drawn]
        overhead(tables, compose([*base, *TINY]), arguments.rounds)
        name = f"{arguments.backbone} at {arguments.image_size} px"
        network = [f"backbone={arguments.backbone}", f"image_size={arguments.image_size}"]
        loading(
            tables, compose([*base, *network, *arguments.overrides]), arguments.rounds, f"{name}, {arguments.threads} threads"
        )
    tables.write(arguments.json)


if __name__ == "__main__":
    main()
