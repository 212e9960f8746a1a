"""Weights & Biases: the configuration, curves, confusion matrix and sample predictions of a run, online or kept for later.

The API key is wandb's own business: it is taken from ``wandb login`` or ``$WANDB_API_KEY`` and stands in no configuration.
wandb is imported when a run begins.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any, Literal

import pandas as pd
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from agegender.configuration.job import sweep_dir
from agegender.errors import AgeGenderError
from agegender.reachable import unreachable
from agegender.runs.run_directory import RunDirectory
from agegender.sources import images

log = logging.getLogger(__name__)

COLUMNS = ("dataset", "path", "age_low", "age_high", "age_pred", "gender", "probability_female")
BEGIN_SECONDS, END_SECONDS = 30, 120  # at most; what was not uploaded stays on disk


class Wandb(Logger):
    """A run of a W&B project, fed by the first process only.

    It begins and ends as ``sessions`` says. Resuming a run directory, wherever it lies now, continues the same W&B run.
    Where the server cannot be reached the run is written as an offline one, which ``wandb sync`` uploads later.

    Args:
        save_dir: The run directory, which holds ``config.yaml`` and ``versions.json``.
        project: W&B project.
        entity: User or team; None for the user's own default.
        name: Of the run; None for that of the run directory.
        group: Runs that belong together; None for the jobs of one sweep.
        tags: Words to find the run by.
        mode: ``online``, ``offline`` to write files for ``wandb sync``, ``disabled`` to do nothing.
        samples: Predictions of the test part to show, drawn at random.
        faces: Show the images of those faces, too. They leave this machine, if online: mind the licence of the data.
    """

    writes = ("wandb",)

    def __init__(
        self,
        save_dir: Path,
        project: str,
        entity: str | None = None,
        name: str | None = None,
        group: str | None = None,
        tags: Sequence[str] = (),
        mode: Literal["online", "offline", "disabled"] = "online",
        samples: int = 64,
        faces: bool = False,
    ) -> None:
        self._folder = RunDirectory(save_dir)
        self._project = project
        self._entity = entity
        self._name = name
        self._group = group
        self._tags = tags
        self._mode = mode
        self._samples = samples
        self._faces = faces
        self._run: Any = None

    @property
    def name(self) -> str:
        """The project."""
        return self._project

    @property
    def version(self) -> str | None:
        """The id of the W&B run, once it has begun."""
        return self._run.id if self._run else None

    @property
    def save_dir(self) -> str:
        """The run directory."""
        return str(self._folder.path)

    @rank_zero_only
    def begin(self, config: Mapping[str, Any]) -> None:
        """Begins the run, or continues that of the run directory.

        Args:
            config: What is trained; a resumed run's may be longer than the one it began with.

        Raises:
            AgeGenderError: wandb refuses, for want of an API key for instance.
        """
        import wandb

        mode = self._mode
        if mode == "online" and (reason := unreachable(wandb.setup().settings.base_url)):
            log.warning("W&B cannot be reached (%s): the run is written offline", reason)
            mode = "offline"
        identity = self._folder.read_wandb() or {"id": token_hex(4), "group": self._group or sweep_dir()}
        versions = self._folder.read_versions()
        # Git is looked at where this program lies (versions.json), not where somebody happens to start it.
        commit = (versions["git"] or "").removesuffix("+changes") or None
        try:
            self._run = wandb.init(
                dir=self.save_dir,
                project=self._project,
                entity=self._entity,
                name=self._name or self._folder.path.name,
                tags=list(self._tags),
                mode=mode,
                resume="allow" if mode == "online" else None,  # an offline run of the same id continues it when synced
                settings=wandb.Settings(
                    disable_git=True,
                    git_commit=commit,
                    save_code=False,
                    reinit="finish_previous",
                    init_timeout=BEGIN_SECONDS,
                    finish_timeout=END_SECONDS,
                ),
                **identity,
            )
        except wandb.Error as error:
            reason = str(error).strip().splitlines()[0]
            raise AgeGenderError(f"logger=wandb: {reason}. Without a server: logger.wandb.mode=offline") from error
        if mode != "disabled":
            self._folder.write_wandb(identity)
        self._run.config.update({**config, "versions": versions}, allow_val_change=True)
        if mode == "offline":
            log.info("W&B offline: upload with  wandb sync %s", Path(self._run.dir).parent)

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Does nothing: the run's configuration is that of its directory."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Adds a point to each curve, at a step of the optimizer."""
        if self._run:
            self._run.log(dict(metrics), step=step)

    @rank_zero_only
    def log_test(self, metrics: Mapping[str, Any], predictions: pd.DataFrame, roots: Mapping[str, Path]) -> None:
        """Shows what the best model achieved.

        Args:
            metrics: As in ``metrics.json``; they become the run's summary.
            predictions: Of the part that was tested (``tested`` in the metrics), with columns of a face table.
            roots: Folder of each data set.
        """
        import wandb

        if not self._run:
            return
        self._run.summary.update(dict(metrics))
        part = metrics["tested"]
        some = predictions.sample(min(self._samples, len(predictions)), random_state=0).sort_index()
        columns: list[str | int] = [name for name in COLUMNS if name in some]
        rows = some[columns].astype(object).where(some[columns].notna(), None).to_numpy().tolist()
        shown: dict[str, Any] = {f"{part}/predictions": wandb.Table(columns=columns, data=rows)}
        if self._faces:  # beside the table: wandb keeps the images of a table outside the run directory
            files = [roots[dataset] / path for dataset, path in zip(some["dataset"], some["path"], strict=True)]
            captions = [", ".join(f"{name} {_short(value)}" for name, value in zip(columns, row, strict=True)) for row in rows]
            shown[f"{part}/faces"] = [
                wandb.Image(images.read(file), caption=caption) for file, caption in zip(files, captions, strict=True)
            ]
        known = predictions[predictions["gender"].notna()]
        if "probability_female" in known and len(known):
            shown[f"{part}/gender_confusion"] = wandb.plot.confusion_matrix(
                y_true=known["gender"].astype(int).tolist(),
                preds=(known["probability_female"] > 0.5).astype(int).tolist(),
                class_names=["male", "female"],
                title="gender, as labelled by appearance",
            )
        self._run.log(shown)

    @rank_zero_only
    def end(self, failed: bool) -> None:
        """Ends the W&B run. What the server has not received within two minutes stays on disk for ``wandb sync``."""
        run, self._run = self._run, None
        try:
            if run:
                run.finish(exit_code=int(failed))
        except Exception as error:  # of the upload alone: the training is done, or has failed for a reason of its own
            log.warning("W&B: the run could not be ended (%s); wandb sync uploads what is on disk", error)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
