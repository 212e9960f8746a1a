"""A network in training: the loss of each batch, the metrics of each epoch, and the optimizer."""

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from agegender.configuration.build import build
from agegender.errors import AgeGenderError
from agegender.metrics.epoch import EpochMetrics
from agegender.metrics.losses import RunningLosses
from agegender.metrics.registry import monitors
from agegender.models.checkpoint import build_network, errors_named, portable, read_model, recorded_crops
from agegender.models.network import Network
from agegender.runs.run_directory import RunDirectory
from agegender.training.lr_scaling import factor
from agegender.training.mixup import Mixup
from agegender.training.step_cost import PlainHookName
from agegender.training.task_losses import loss_sums, means_over_ranks

log = logging.getLogger(__name__)

Batch = dict[str, Tensor]
Phase = Literal["fit", "held_out"]  # fit: training faces; held_out: validation faces


class AgeGenderModule(PlainHookName, L.LightningModule):
    """Trains a ``Network``. A face may lack the label of a task.

    All arguments are plain data and are saved in checkpoints, so ``AgeGenderModule.load_from_checkpoint(path)`` needs no
    configuration file.

    Args:
        network: Sections of the configuration that ``build_network`` takes.
        tasks: Of ``age`` and ``gender``.
        balance: Class and arguments of the object that combines the task losses; see ``agegender.training.balance``.
        optimizer: Class and arguments; see ``agegender.training.optimizers``.
        schedule: Class and arguments; see ``agegender.training.schedules``.
        monitor: Metric that a plateau schedule watches, such as ``val/age_distance``.
        seed: Seed of the random numbers of all steps, such as those of dropout.
        about: What a user of the network must know: ``age_range``, ``image_size``, ``gender`` (meaning of the labels),
            ``data`` (licence of each dataset by name, in the order in which batches number the datasets) and ``crops`` (crop of
            each dataset by name; missing in earlier versions). Training adds ``regions``: see ``record_regions``.
        mixup: ``alpha`` of ``agegender.training.mixup.Mixup``; None trains on the faces as they are.

    Attributes:
        crops: The crop of each dataset that it is trained on, by name.
        random_backbone: Whether the backbone was built without pretrained weights. It has no meaning after loading a
            checkpoint, whose weights are set later.

    Raises:
        AgeGenderError: An argument is not allowed, or this network has no metric of the monitor's name.
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
        mixup: float | None = None,
    ) -> None:
        super().__init__()
        self.network = build_network(network, tasks)
        self.balance = build(balance, "balance")
        self.optimizer = build(optimizer, "optimizer")
        self.schedule = build(schedule, "schedule")
        self.mixup = None if mixup is None else Mixup(mixup)
        self.random_backbone = not (network["backbone"].get("pretrained") or network["backbone"].get("weights"))
        self.save_hyperparameters(logger=False)
        self.hparams["network"] = portable(network, self.network)
        classes = self.network.age_classes
        measurable = monitors(tasks, bool(classes))
        if monitor.rpartition("/")[2] not in measurable:
            allowed = ", ".join(f"val/{name}" for name in measurable)
            raise AgeGenderError(f"monitor={monitor}: not a metric of these tasks and this head. Allowed: {allowed}")
        self.crops = recorded_crops(about)
        datasets = list(about.get("data", {})) or [""]
        epoch = {"fit": EpochMetrics(tasks, classes=classes), "held_out": EpochMetrics(tasks, datasets, classes)}
        self.metrics: Any = nn.ModuleDict(epoch)
        self.losses: Any = nn.ModuleDict({phase: RunningLosses(tasks) for phase in epoch})

    def record_regions(self, kinds: Mapping[str, str]) -> None:
        """Adds to the checkpoint whether the faces of each dataset are whole images, boxes or aligned boxes.

        Args:
            kinds: As ``agegender.data.crop_report.region_kinds`` returns it.
        """
        self.hparams["about"] = {**self.hparams["about"], "regions": dict(kinds)}

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Estimates from uint8 images [B, 3, H, W]: ``age`` in years [B] and ``probability_female`` in 0..1 [B]."""
        return self.network.estimate(self.network(image), distribution=False)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Seeds each step from the run's seed and the number of the step, so a resumed run draws the same numbers."""
        state = [self.hparams["seed"], self.current_epoch, batch_idx, self.global_rank]
        seed = int(np.random.SeedSequence(state).generate_state(1)[0])
        # torch.manual_seed seeds every kind of device, which takes a millisecond even for devices that are absent
        torch.default_generator.manual_seed(seed)
        if self.device.type != "cpu":
            torch.get_device_module(self.device).manual_seed(seed)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Returns the loss of a batch. Logs it every ``trainer.log_every_n_steps`` steps only, because logging is slow.

        Raises:
            AgeGenderError: The loss is not finite.
        """
        if self.mixup is None:
            sums, counts = self._measured(batch, "fit")
        else:
            batch, partner, share = self.mixup(batch)
            sums, counts = self._measured(batch, "fit", partner, share)
        loss = self.balance(*means_over_ranks(sums, counts))
        if (batch_idx + 1) % (self.trainer.log_every_n_steps or math.inf) == 0:  # type: ignore[attr-defined]
            self.log("train/step_loss", loss)
        if not torch.isfinite(loss):
            raise self._not_finite(loss, batch_idx)
        return loss

    def _not_finite(self, loss: Tensor, batch_idx: int) -> AgeGenderError:
        """The error of a loss that is NaN or infinite, with the place in training and the last epoch before it."""
        trainer: Any = self.trainer
        last = RunDirectory(trainer.default_root_dir).last
        saved = f"The last epoch before it is saved in {last}" if last.exists() else "No epoch is saved"
        return AgeGenderError(
            f"the loss is {float(loss.detach())} in epoch {trainer.current_epoch + 1}, batch {batch_idx + 1} "
            f"(step {trainer.global_step + 1}): lower optimizer.lr, or set trainer.gradient_clip_val. {saved}"
        )

    def configure_gradient_clipping(
        self, optimizer: torch.optim.Optimizer, gradient_clip_val: Any = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        """Clips as ``trainer.gradient_clip_val`` says; without a value, Lightning's checks of it are skipped in every step."""
        if gradient_clip_val is not None:
            super().configure_gradient_clipping(optimizer, gradient_clip_val, gradient_clip_algorithm)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measures a batch. It may be empty, on a rank with fewer faces than the others."""
        if len(batch["index"]):
            self._measured(batch, "held_out")

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Estimates of a batch with age distributions, and as ``index`` the rows of the face table that they belong to."""
        estimates = self.network.estimate(self.network(batch["image"])) if len(batch["index"]) else {}
        return {"index": batch["index"], **estimates}

    def _measured(
        self, batch: Batch, phase: Phase, partner: Batch | None = None, share: float = 1.0
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Adds a batch to the metrics of the epoch, and returns its ``loss_sums``.

        Args:
            batch: Faces with their labels.
            phase: The metrics that it is added to.
            partner: For blended faces, the labels of the other face of each blend.
            share: Weight of the loss for the labels of ``batch``; the rest is for those of ``partner``.
        """
        # A batch has features instead of images if those of a frozen backbone were computed before.
        outputs = self.network.outputs(batch["features"]) if "features" in batch else self.network(batch["image"])
        sums, counts = loss_sums(self.network.heads, outputs, batch)
        if partner is not None:
            others, _ = loss_sums(self.network.heads, outputs, partner)
            sums = {task: share * sums[task] + (1 - share) * others[task] for task in sums}
        with torch.no_grad():
            estimates = self.network.estimate(outputs, distribution=False)
            self.losses[phase].update(sums, counts)
            self.metrics[phase].update(
                estimates.get("age"), batch["age_low"], batch["age_high"], estimates.get("probability_female"), batch["gender"],
                batch.get("dataset") if phase == "held_out" else None,
            )  # fmt: skip
        return sums, counts

    def on_train_epoch_start(self) -> None:
        """Resets the metrics of training."""
        self._reset("fit")

    def on_train_epoch_end(self) -> None:
        """Logs the metrics of training. They are of augmented images, in training mode, while the weights changed."""
        self._log_metrics("train", "fit")

    def on_validation_epoch_start(self) -> None:
        """Resets the metrics of validation."""
        self._reset("held_out")

    def on_validation_epoch_end(self) -> None:
        """Logs the metrics of validation and steps a plateau schedule, before the epoch's checkpoint is saved."""
        metrics = self._log_metrics("val", "held_out")
        plateau = self.lr_schedulers()
        fitting = self.trainer.state.fn == "fit" and not self.trainer.sanity_checking
        if fitting and isinstance(plateau, ReduceLROnPlateau):
            monitor = self.hparams["monitor"]
            if monitor not in metrics:
                raise AgeGenderError(
                    f"monitor={monitor}: no validation face has a label for it. Measured: {', '.join(metrics)}"
                )
            plateau.step(metrics[monitor])

    def _reset(self, phase: Phase) -> None:
        self.losses[phase].reset()
        self.metrics[phase].reset()

    def _log_metrics(self, prefix: str, phase: Phase) -> dict[str, Any]:
        losses = self.losses[phase].compute()
        with torch.no_grad():
            metrics = {"loss": self.balance(losses), **{f"{task}_loss": value for task, value in losses.items()}}
        metrics = {f"{prefix}/{name}": value for name, value in (metrics | self.metrics[phase].compute()).items()}
        self.log_dict(metrics, rank_zero_only=False)
        return metrics

    def configure_optimizers(self) -> Any:
        """The optimizer of the trainable weights, and the schedule over all steps of the run."""
        trainer: Any = self.trainer
        batches, limit = trainer.datamodule.batches_per_epoch, trainer.limit_train_batches
        batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
        if batches < 1:
            raise AgeGenderError(f"trainer.limit_train_batches={limit}: leaves no batch to train on")
        steps = max(math.ceil(batches / trainer.accumulate_grad_batches), 1)
        optimizer = self.optimizer.build(self)
        rule, world = self.optimizer.lr_scaling, trainer.world_size
        if rule != "none" and trainer.ckpt_path is None:  # a resumed run continues with the saved learning rates
            log.info("optimizer.lr_scaling=%s: optimizer.lr=%g times %.3g (processes: %d)",
                     rule, self.optimizer.lr, factor(rule, world), world)  # fmt: skip
        total = steps * max(trainer.max_epochs or 1, 1)
        schedule = self.schedule.build(optimizer, total_steps=total, steps_per_epoch=steps)
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Steps the schedule, except a plateau schedule, which is stepped after validation."""
        if not isinstance(scheduler, ReduceLROnPlateau):
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
