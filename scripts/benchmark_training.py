"""Measures the CPU time that Lightning and data loading add to the time of the network.

    python scripts/benchmark_training.py
    python scripts/benchmark_training.py --threads 1 --rounds 5

Makes two comparisons, with alternating measurements in one process:

1. A training step with Lightning and the same step in a plain PyTorch loop, on batches in memory.
2. A training epoch from the image cache (with loading and augmentation) and the same epoch on batches in memory.

Run it while the machine is idle.
"""

import argparse
import logging
import tempfile
import time
import warnings
from typing import Any

import lightning as L
import numpy as np
import torch
from torch.utils.data import DataLoader

from agegender.configuration.command import compose
from agegender.data.assemble import assemble
from agegender.training.module import AgeGenderModule
from agegender.training.task_losses import loss_sums

SMALL = ["image_size=16", "backbone.widths=[4,8]"]  # with a larger network, the difference would be too small to measure


class InMemory(L.LightningDataModule):
    """A data module of batches that are already in memory."""

    def __init__(self, batches: list[dict[str, torch.Tensor]]) -> None:
        super().__init__()
        self.batches = batches
        self.batches_per_epoch = len(batches)

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.batches, batch_size=None)  # type: ignore[arg-type]


def new_module(config: dict[str, Any]) -> AgeGenderModule:
    parts = ("backbone", "pool", "trunk", "tower", "head", "gender_head", "image_size")
    rest = ("tasks", "balance", "optimizer", "schedule", "monitor", "seed")
    L.seed_everything(0, verbose=False)
    return AgeGenderModule(network={k: config[k] for k in parts}, **{k: config[k] for k in rest}, about={})


def lightning_epoch(config: dict[str, Any], data: L.LightningDataModule) -> float:
    """Returns the CPU seconds of an epoch with the default settings, without checkpoints and validation."""
    trainer = L.Trainer(
        **{**config["trainer"], "max_epochs": 1, "limit_val_batches": 0}, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False, callbacks=[Clock()],
    )  # fmt: skip
    trainer.fit(new_module(config), datamodule=data)
    return next(c.seconds for c in trainer.callbacks if isinstance(c, Clock))


class Clock(L.Callback):
    """Measures the CPU time of the training epoch."""

    def on_train_epoch_start(self, *_: Any) -> None:
        self.began = time.process_time()

    def on_train_epoch_end(self, *_: Any) -> None:
        self.seconds = time.process_time() - self.began


def plain_epoch(config: dict[str, Any], batches: list[dict[str, torch.Tensor]]) -> float:
    """Returns the CPU seconds of the same steps in a plain PyTorch loop: forward, loss, backward, optimizer, schedule."""
    module = new_module(config).train()
    optimizer = module.optimizer.build(module)
    schedule = module.schedule.build(optimizer, total_steps=len(batches), steps_per_epoch=len(batches))["scheduler"]
    began = time.process_time()
    for batch in batches:
        outputs = module.network(batch["image"])
        sums, counts = loss_sums(module.network.heads, outputs, batch)
        loss = module.balance({task: sums[task] / counts[task] for task in sums})
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--faces", type=int, default=4000, help="number of generated toy faces")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    with tempfile.TemporaryDirectory() as folder:
        data = [f"loader.cache_dir={folder}", f"data.root={folder}", f"data.sources.toyfaces.n={arguments.faces}"]
        small, real = compose([*SMALL, *data]), compose(data)
        cached = assemble(small)
        cached.prepare_data()
        cached.setup("fit")
        batches = [{**batch, "image": batch["image"].clone()} for batch in cached.train_dataloader()]
        rows: dict[str, list[float]] = {name: [] for name in ("plain", "lightning", "memory", "cache")}
        for _ in range(arguments.rounds):
            rows["plain"].append(plain_epoch(small, batches))
            rows["lightning"].append(lightning_epoch(small, InMemory(batches)))
            rows["memory"].append(lightning_epoch(real, InMemory(batches)))
            rows["cache"].append(lightning_epoch(real, assemble(real)))
    step = {name: 1000 * np.array(seconds) / len(batches) for name, seconds in rows.items()}
    print(f"{len(batches)} steps of {batches[0]['image'].shape[0]} faces, {arguments.threads} thread(s), CPU ms per step")
    for name, values in step.items():
        print(f"  {name:10} median {np.median(values):6.2f}  all {' '.join(f'{v:.2f}' for v in values)}")
    more, times = np.median(step["lightning"] - step["plain"]), np.median(step["lightning"] / step["plain"])
    print(f"Lightning compared with a plain loop (tiny network): {more:+.2f} ms per step, {times:.2f} times the time")
    print(f"cache compared with memory (default network): {np.median(step['memory'] / step['cache']):.2f} times the speed")


if __name__ == "__main__":
    main()
