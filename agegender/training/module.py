"""The network as something to train: losses over known labels, optimizer, figures of each epoch."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn

from agegender.configuration.build import build
from agegender.errors import AgeGenderError
from agegender.metrics.epoch import EpochMetrics
from agegender.metrics.losses import RunningLosses
from agegender.models.checkpoint import build_network, errors_named, portable, read_model
from agegender.models.network import Network

Batch = dict[str, Tensor]


class AgeGenderModule(L.LightningModule):
    """Trains a ``Network`` on faces of which each may lack a label for either task.

    Every argument is plain data and is saved in the checkpoint, which therefore needs no configuration file:
    ``AgeGenderModule.load_from_checkpoint(path)``.

    Args:
        network: Sections of the configuration that ``build_network`` takes.
        tasks: Of ``age`` and ``gender``.
        balance: How the tasks' losses become one.
        optimizer: See ``agegender.training.optimizers``.
        schedule: See ``agegender.training.schedules``.
        monitor: Figure that a plateau schedule watches.
        seed: Source of the dropout noise of every step.
        about: What a user of the model must know: label convention, age range, licence and provenance of the data.

    Attributes:
        random_backbone: Whether the backbone began without learned weights; a checkpoint does not say.
    """

    network: Network
    balance: nn.Module

    def __init__(
        self,
        network: dict[str, Any],
        tasks: Sequence[str],
        balance: dict[str, Any],
        optimizer: dict[str, Any],
        schedule: dict[str, Any],
        monitor: str,
        seed: int,
        about: dict[str, Any],
    ) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        self.network = build_network(network, tasks)
        self.balance = build(balance, "balance")
        self.optimizer = build(optimizer, "optimizer")
        self.schedule = build(schedule, "schedule")
        self.save_hyperparameters(logger=False)
        self.hparams["network"] = portable(network, self.network)
        self.random_backbone = not (network["backbone"].get("pretrained") or network["backbone"].get("weights"))
        self.losses: Any = nn.ModuleDict({part: RunningLosses(self.tasks) for part in ("fit", "held_out")})
        datasets = list(about.get("data", {})) or [""]  # in the order that numbers them in a batch
        classes = self.network.age_classes
        epoch = {"fit": EpochMetrics(tasks, classes=classes), "held_out": EpochMetrics(tasks, datasets, classes)}
        self.metrics: Any = nn.ModuleDict(epoch)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Estimates from uint8 images [B, 3, H, W]: ``age`` in years [B] and ``probability_female`` in 0..1 [B]."""
        return self.network.estimate(self.network(image), distribution=False)

    def _loss(self, batch: Batch) -> Tensor:
        return self.balance(*self._means(*self._measure(batch, "fit")))

    def _measure(self, batch: Batch, part: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Adds a batch to the figures of a part, and gives for each task the sum of its losses and the number of labels."""
        # A frozen backbone's features may have been computed before.
        outputs = self.network.outputs(batch["features"]) if "features" in batch else self.network(batch["image"])
        sums, counts = self._loss_sums(outputs, batch)
        with torch.no_grad():
            estimates = self.network.estimate(outputs, distribution=False)
            self.losses[part].update(sums, counts)
            self.metrics[part].update(
                estimates.get("age"), batch["age_low"], batch["age_high"], estimates.get("probability_female"), batch["gender"],
                batch.get("dataset") if part == "held_out" else None,
            )  # fmt: skip
        return sums, counts

    def _loss_sums(self, outputs: Mapping[str, Tensor], batch: Batch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """For each task the loss summed over faces with a label, and their number.

        Unknown labels are replaced by arbitrary valid ones whose loss is multiplied by zero: the sum stays connected to
        the weights, as DDP requires, even when no face of the batch has a label.
        """
        heads: Any = self.network.heads
        losses, known = {}, {}
        if "age" in outputs:
            known["age"] = batch["age_low"].isfinite()
            low, high = (torch.nan_to_num(batch[key], nan=0.0) for key in ("age_low", "age_high"))
            losses["age"] = heads["age"].loss(outputs["age"], low, high)
        if "gender" in outputs:
            known["gender"] = batch["gender"] >= 0
            losses["gender"] = heads["gender"].loss(outputs["gender"], batch["gender"].clamp(min=0))
        return {t: (losses[t] * known[t]).sum() for t in losses}, {t: known[t].sum() for t in losses}

    def _means(self, sums: Mapping[str, Tensor], counts: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Means over the labelled faces of all processes, so that DDP's averaged gradient is that of one process.

        And for each task whether any process has a labelled face.
        """
        number = torch.stack([counts[task] for task in sums]).float()
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.all_reduce(number, op=torch.distributed.ReduceOp.SUM)
            number = number / torch.distributed.get_world_size()
        divisor = torch.where(number > 0, number, 1.0)
        return {t: sums[t] / divisor[i] for i, t in enumerate(sums)}, {t: number[i] > 0 for i, t in enumerate(sums)}

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Derives all random numbers of a step from the seed and the step, so that resuming replays nothing."""
        state = [self.hparams["seed"], self.current_epoch, batch_idx, self.global_rank]
        seed = int(np.random.SeedSequence(state).generate_state(1)[0])
        # torch.manual_seed seeds every kind of device, which costs a millisecond where there is none
        torch.default_generator.manual_seed(seed)
        if self.device.type != "cpu":
            torch.get_device_module(self.device).manual_seed(seed)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """One batch; the loss is logged every ``trainer.log_every_n_steps`` steps only, since logging costs."""
        loss = self._loss(batch)
        if (batch_idx + 1) % (self.trainer.log_every_n_steps or math.inf) == 0:  # type: ignore[attr-defined]
            self.log("train/step_loss", loss)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """One batch of the validation part; a process with fewer faces than others may get an empty one."""
        if len(batch["index"]):
            self._measure(batch, "held_out")

    test_step = validation_step

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Estimates of one batch, with the rows of the face table they belong to as ``index``."""
        return {"index": batch["index"], **(self(batch["image"]) if len(batch["index"]) else {})}

    def on_train_epoch_start(self) -> None:
        """Starts the sums of a training epoch."""
        self._reset("fit")

    def on_train_epoch_end(self) -> None:
        """Logs the running figures of the epoch, measured in training mode while the weights moved."""
        self._log_figures("train", "fit")

    def on_validation_epoch_start(self) -> None:
        """Starts the sums of a validation."""
        self._reset("held_out")

    def on_validation_epoch_end(self) -> None:
        """Logs the validation figures and shows them to a plateau schedule, before the epoch's checkpoint is saved."""
        figures = self._log_figures("val", "held_out")
        plateau = self.lr_schedulers()
        training = self.trainer.state.fn == "fit" and not self.trainer.sanity_checking
        if training and isinstance(plateau, torch.optim.lr_scheduler.ReduceLROnPlateau):
            plateau.step(figures[self._plateau_monitor(figures)])

    on_test_epoch_start = on_validation_epoch_start

    def on_test_epoch_end(self) -> None:
        """Logs the test figures."""
        self._log_figures("test", "held_out")

    def _plateau_monitor(self, figures: Mapping[str, Any]) -> str:
        monitor = self.hparams["monitor"]
        if monitor not in figures:
            raise AgeGenderError(f"monitor={monitor}: not measured here. Measured: {', '.join(figures)}")
        return monitor

    def _reset(self, part: str) -> None:
        self.losses[part].reset()
        self.metrics[part].reset()

    def _log_figures(self, prefix: str, part: str) -> dict[str, Any]:
        losses = self.losses[part].compute()
        with torch.no_grad():
            figures = {"loss": self.balance(losses), **{f"{task}_loss": value for task, value in losses.items()}}
        figures = {f"{prefix}/{name}": value for name, value in (figures | self.metrics[part].compute()).items()}
        self.log_dict(figures, rank_zero_only=False)
        return figures

    def configure_optimizers(self) -> Any:
        """The optimizer over the trainable weights and the schedule over the steps of the whole run."""
        steps = self._steps_per_epoch()
        optimizer = self.optimizer.build(self)
        total = steps * max(self.trainer.max_epochs or 1, 1)
        schedule = self.schedule.build(optimizer, total_steps=total, steps_per_epoch=steps)
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def _steps_per_epoch(self) -> int:
        trainer: Any = self.trainer
        batches, limit = trainer.datamodule.batches_per_epoch, trainer.limit_train_batches
        batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
        return max(math.ceil(batches / trainer.accumulate_grad_batches), 1)

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Steps schedules that count steps; a plateau schedule is stepped at validation, where its figure is fresh."""
        if not isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            scheduler.step()

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: str | Path, map_location: Any = "cpu") -> "AgeGenderModule":  # type: ignore[override]
        """Rebuilds a model from a checkpoint alone, in evaluation mode. Nothing is downloaded.

        Lightning's own loader imports and calls whatever a file names as ``_instantiator``. This one reads tensors and
        plain values only, and builds classes from the closed list of ``agegender.configuration.build``.

        Raises:
            AgeGenderError: The file is missing, is not a checkpoint of this project, or names a class that is not allowed.
        """
        arguments, weights = read_model(checkpoint_path)
        with errors_named(checkpoint_path):
            module = cls(**arguments)
            module.load_state_dict(weights)
        return module.to(map_location).eval()
