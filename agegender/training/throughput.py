"""How fast a run trains, how long it waits for data, and how much memory it needs, once an epoch."""

import logging
import resource
import sys
import time
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback

from agegender.data.cores import usable_cores
from agegender.data.timed_loader import TimedLoader

log = logging.getLogger(__name__)

WAIT_SHARE, WAIT_SECONDS = (
    0.2,
    5.0,
)  # of an epoch; a run that waits longer than both gets a warning with the setting that loads faster
SAMPLE = 1.0  # seconds between two samples of the utilisation of a GPU


class Throughput(Callback):
    """Logs speed and memory of each epoch to all loggers and, through ``History``, to ``history.csv``.

    - ``speed/images_per_second``: training images of all ranks by the time of the slowest rank, without validation.
    - ``speed/images_per_second_rank_N``: the same of rank N alone, if there are several.
    - ``speed/data_wait``: share of the training time, 0..1, in which the rank that waits longest waits for a batch. On a GPU,
      work of the step before may still go on in this time, so it is an upper limit of what faster loading can save.
    - ``speed/peak_memory_gb``: largest memory of a rank, GB; on a GPU that of the device in the epoch, otherwise that of the
      process since its start, without loader workers.
    - ``speed/gpu_utilisation``: share of the time, 0..1, in which a GPU computed, sampled every second, mean over ranks. Needs
      ``nvidia-ml-py``.

    If loading takes long, a warning says once which setting helps. List this callback before ``History``.
    """

    def __init__(self) -> None:
        self._began = self._paused = self._since_pause = self._sampled = 0.0
        self._utilisations: list[float] = []
        self._samples_gpu = False
        self._warned = False

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Finds out whether there is a GPU to sample."""
        self._samples_gpu = trainer.strategy.root_device.type == "cuda"

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Starts the clock."""
        _loader(trainer).restart()
        if self._samples_gpu:
            torch.cuda.reset_peak_memory_stats(trainer.strategy.root_device)
        self._utilisations = []
        self._paused, self._began = 0.0, time.perf_counter()

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        """Samples the utilisation of a GPU when a sample is due."""
        if self._samples_gpu and (now := time.perf_counter()) - self._sampled >= SAMPLE:
            self._sampled = now
            try:
                self._utilisations.append(torch.cuda.utilization(trainer.strategy.root_device) / 100)
            except (ImportError, RuntimeError) as error:
                self._samples_gpu = False
                log.info("GPU utilisation is not logged: %s", str(error).splitlines()[0])

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stops the clock."""
        self._since_pause = time.perf_counter()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Starts the clock again."""
        self._paused += time.perf_counter() - self._since_pause

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Logs the epoch, and warns if it waited long for data."""
        loader, device = _loader(trainer), trainer.strategy.root_device
        seconds = max(time.perf_counter() - self._began - self._paused, 1e-9)
        busy = sum(self._utilisations) / len(self._utilisations) if self._utilisations else float("nan")
        own = torch.tensor([loader.faces, seconds, loader.waited, peak_memory_gb(device), busy], device=device)
        ranks = trainer.strategy.all_gather(own).reshape(-1, len(own)).cpu()
        faces, taken, waited, memory, busy_ranks = ranks.double().unbind(1)
        share = float((waited / taken).max())
        speed = {"images_per_second": float(faces.sum() / taken.max())}
        if len(ranks) > 1:
            speed |= {f"images_per_second_rank_{rank}": float(faces[rank] / taken[rank]) for rank in range(len(ranks))}
        speed |= {"data_wait": share, "peak_memory_gb": float(memory.max())}
        if self._utilisations:
            speed["gpu_utilisation"] = float(busy_ranks.nanmean())
        pl_module.log_dict({f"speed/{name}": value for name, value in speed.items()}, rank_zero_only=False)
        slow = share > WAIT_SHARE and float(waited.max()) > WAIT_SECONDS
        # A loader that has yet to choose its number of workers needs no advice on it.
        if slow and not self._warned and trainer.is_global_zero and loader.cores is None:
            self._warned = True
            log.warning("training waits for data %.0f%% of the time: %s", 100 * share, _advice(trainer, loader))


def peak_memory_gb(device: torch.device) -> float:
    """Largest memory so far in GB: allocated on a GPU since the last reset, otherwise resident in this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    unit = 1 if sys.platform == "darwin" else 1024  # bytes of ru_maxrss
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def _loader(trainer: L.Trainer) -> TimedLoader:
    loader: TimedLoader = trainer.train_dataloader  # type: ignore[assignment]
    return loader


def _advice(trainer: L.Trainer, loader: TimedLoader) -> str:
    """The setting that makes loading faster."""
    if trainer.datamodule.image_cache is None:  # type: ignore[attr-defined]
        return "loader.cache=disk decodes each image once instead of in every epoch"
    cores = max(usable_cores() // trainer.num_devices, 1)
    if loader.num_workers < cores - 1:
        return f"loader.num_workers={cores - 1} loads in more processes (now {loader.num_workers})"
    return f"all {cores} cores of this process load already; augment=flip or augment=none is cheaper, or use more cores"
