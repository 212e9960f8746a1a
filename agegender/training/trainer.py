"""The Lightning Trainer of a run."""

import sys
from collections.abc import Iterable, Mapping
from typing import Any

import lightning as L
from lightning.fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment
from lightning.pytorch.callbacks import Callback, TQDMProgressBar
from lightning.pytorch.profilers import Profiler, PyTorchProfiler, SimpleProfiler

from agegender.configuration.build import build
from agegender.errors import AgeGenderError
from agegender.processes import ranks
from agegender.processes.interruption import raise_again_on_signals
from agegender.runs.run_directory import RunDirectory
from agegender.training.checkpoints import epoch_checkpoint
from agegender.training.finetuning.stages import ddp_strategy
from agegender.training.step_cost import NoProfiler, ask_cuda_directly, skip_empty_hooks
from agegender.training.stopping import StopFile
from agegender.training.sync_batchnorm import SyncBatchNorm

PROFILERS: Mapping[str, type[Profiler]] = {"simple": SimpleProfiler, "pytorch": PyTorchProfiler}
REDRAW = 50  # steps: drawing the progress bar takes longer than a step of a small model


class OwnSignalHandlers(Callback):
    """Restores the command's handlers of signals, which Lightning replaces when a Trainer starts."""

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Called after Lightning has set its own."""
        raise_again_on_signals()


def build_trainer(callbacks: Iterable[Callback] = (), sync_batchnorm: bool = False, **arguments: Any) -> L.Trainer:
    """A Trainer for this project's data and models.

    Args:
        callbacks: In the order in which Lightning calls them.
        sync_batchnorm: Whether batch norms use the statistics of all ranks.
        **arguments: Others, as Lightning's Trainer takes them.

    Raises:
        AgeGenderError: Lightning rejects them, for example because there is no such device.
    """
    ask_cuda_directly()
    # In a SLURM job Lightning would otherwise choose SLURM's environment by itself, with SLURM's number of tasks and with
    # signal handlers of its own.
    environment = TorchElasticEnvironment() if ranks.started() else LightningEnvironment()
    plugins: list[Any] = [environment, *([SyncBatchNorm()] if sync_batchnorm else [])]
    try:
        return L.Trainer(
            callbacks=[*callbacks, OwnSignalHandlers()], **arguments, plugins=plugins, enable_model_summary=False,
            use_distributed_sampler=False,
        )  # fmt: skip
    except AgeGenderError:
        raise
    except Exception as error:  # Lightning and its accelerators report wrong settings through many exception types
        raise AgeGenderError(f"trainer: {' '.join(str(error).split())}") from error


def training_trainer(config: Mapping[str, Any], run: RunDirectory, callbacks: Iterable[Callback]) -> L.Trainer:
    """The Trainer that trains a run.

    Args:
        config: The run's configuration, of which ``trainer`` and ``logger`` are used.
        run: Where loggers and callbacks write.
        callbacks: In the order in which Lightning calls them.

    Raises:
        AgeGenderError: Lightning rejects the settings, or no callback saves the epochs.
    """
    callbacks, settings, terminal = [*callbacks, StopFile()], config["trainer"], sys.stderr.isatty()
    trainer = build_trainer(
        **{**settings, "strategy": ddp_strategy(settings["strategy"], callbacks), "profiler": profiler(settings, run)},
        callbacks=[*callbacks, TQDMProgressBar(refresh_rate=REDRAW)] if terminal else callbacks,
        logger=[build({**one, "save_dir": run.path}, f"logger.{name}") for name, one in config["logger"].items()],
        default_root_dir=run.path,
        enable_checkpointing=True,
        enable_progress_bar=terminal,
    )
    skip_empty_hooks(trainer.callbacks)  # type: ignore[attr-defined]
    epoch_checkpoint(trainer)  # without it there would be nothing to test
    if trainer.world_size > 1 and settings.get("sync_batchnorm") and trainer.strategy.root_device.type == "cpu":
        raise AgeGenderError("trainer.sync_batchnorm=true: PyTorch synchronises batch norm on GPUs only")
    return trainer


def profiler(settings: Mapping[str, Any], run: RunDirectory) -> Profiler:
    """The profiler that ``trainer.profiler`` names, which writes below the run directory; without one, it measures nothing.

    Args:
        settings: Arguments of the Trainer; those of an earlier version have no ``profiler``.
        run: Its ``profile`` folder gets the tables and, from ``pytorch``, traces for a Chrome browser.
    """
    name = settings.get("profiler")
    return NoProfiler() if name is None else PROFILERS[name](dirpath=run.profile, filename=name)
