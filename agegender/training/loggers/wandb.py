"""Weights & Biases (W&B): configuration, curves and test of a run, online or offline.

wandb takes the API key from ``wandb login`` or ``$WANDB_API_KEY``; no configuration contains it. wandb is imported when a
run begins, because the import takes a second.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any, Literal

from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

from agegender.configuration import job
from agegender.configuration.model_name import model_name
from agegender.errors import AgeGenderError
from agegender.evaluation.logged_test import COLUMNS, LoggedTest
from agegender.evaluation.report.chart import pixels
from agegender.reachable import unreachable
from agegender.runs.run_directory import RunDirectory
from agegender.sources.crop import read_face
from agegender.training.setting_checks import require

log = logging.getLogger(__name__)

LONGEST_NAME = 128  # characters, the limit of W&B
BEGIN_SECONDS, END_SECONDS = 30, 120  # limits on waiting for the server; what was not uploaded stays on disk


class Wandb(Logger):
    """Logs to a run of a W&B project, from rank 0 only.

    ``agegender.training.loggers.sessions`` begins and ends the run. Resuming a run directory continues its W&B run, also
    after the directory was moved. If the server cannot be reached, the run is written offline, and ``wandb sync`` uploads
    it later.

    Args:
        save_dir: The run directory, with its ``versions.json``.
        project: W&B project.
        entity: User or team; None for the user's default.
        name: Name of the W&B run; None for the overrides in which a job differs from others of its sweep, and outside a sweep
            for the name of the run directory. A resumed run keeps its name.
        group: Group of the W&B run; None for the folder of the sweep, if it is a job of one.
        tags: Tags of the W&B run.
        mode: ``online``; ``offline`` writes files for ``wandb sync``; ``disabled`` does nothing.
        samples: Number of predictions of the tested split to show, chosen at random.
        faces: Also show the images of these faces, and Grad-CAM maps over faces instead of maps alone. Online they leave
            this machine, which the licence of the data may forbid.

    Raises:
        AgeGenderError: ``samples`` is negative.
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
        require(samples >= 0, "logger.wandb.samples", samples, "at least 0")
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
        """The W&B project."""
        return self._project

    @property
    def version(self) -> str | None:
        """The id of the W&B run; None before it begins."""
        return self._run.id if self._run else None

    @property
    def save_dir(self) -> str:
        """The run directory."""
        return str(self._folder.path)

    @rank_zero_only
    def begin(self, config: Mapping[str, Any]) -> None:
        """Begins a W&B run, or continues that of the run directory.

        Args:
            config: The configuration of this session.

        Raises:
            AgeGenderError: wandb fails, for example because there is no API key.
        """
        import wandb

        mode = self._mode
        if mode == "online" and (reason := unreachable(wandb.setup().settings.base_url)):
            log.warning("W&B cannot be reached (%s): the run is written offline", reason)
            mode = "offline"
        name = (self._name or job.name() or self._folder.path.name)[:LONGEST_NAME]
        identity = {
            "name": name,
            **(self._folder.read_wandb() or {"id": token_hex(4), "group": self._group or job.sweep_dir()}),
        }
        versions = self._folder.read_versions()
        # The commit of this program, from versions.json. wandb would take that of the working directory.
        commit = (versions["git"] or "").removesuffix("+changes") or None
        try:
            self._run = wandb.init(
                dir=self.save_dir,
                project=self._project,
                entity=self._entity,
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
        self._run.config.update({**config, "versions": versions, "model": model_name(config)}, allow_val_change=True)
        if mode == "offline":
            log.info("W&B offline: upload with  wandb sync %s", Path(self._run.dir).parent)

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Does nothing: ``begin`` has logged the configuration."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Adds a point to each curve at an optimizer step."""
        if self._run:
            self._run.log(dict(metrics), step=step)

    @rank_zero_only
    def log_test(self, test: LoggedTest) -> None:
        """Logs the test: its numbers as the summary of the W&B run, plots, tables, sample predictions and Grad-CAM maps."""
        if not self._run:
            return
        # The curves and tables of a split would be thousands of columns in the project's table of runs.
        about = {key: value for key, value in test.metrics.items() if key not in ("val", "test")}
        self._run.summary.update({**about, **test.scalars})
        self._run.log({f"{test.split}/{name}": value for name, value in self._media(test).items()})

    def _media(self, test: LoggedTest) -> dict[str, Any]:
        """What is shown of the test, by name."""
        import wandb

        some = test.sample(self._samples)
        columns: list[str | int] = [name for name in COLUMNS if name in some]
        rows = some[columns].astype(object).where(some[columns].notna(), None).to_numpy().tolist()
        shown: dict[str, Any] = {chart.name: wandb.Image(pixels(chart.figure), caption=chart.summary) for chart in test.charts}
        shown |= {table.name: wandb.Table(columns=list(table.columns), data=table.values) for table in test.tables}
        shown["predictions"] = wandb.Table(columns=columns, data=rows)
        if self._faces:  # not in the table: wandb stores the images of a table outside the run directory
            captions = [", ".join(f"{name} {_short(value)}" for name, value in zip(columns, row, strict=True)) for row in rows]
            shown["faces"] = [
                wandb.Image(read_face(test.roots[face["dataset"]], face), caption=caption)
                for face, caption in zip(some.to_dict("records"), captions, strict=True)
            ]
        if test.explained is not None:
            shown["grad_cam"] = wandb.Image(pixels(test.explained.figure(self._faces)))
        known = test.faces[test.faces["gender"].notna()]
        if "probability_female" in known and len(known):
            shown["gender_confusion"] = wandb.plot.confusion_matrix(
                y_true=known["gender"].astype(int).tolist(),
                preds=(known["probability_female"] > 0.5).astype(int).tolist(),
                class_names=["male", "female"],
                title="gender, as labelled by appearance",
            )
        return shown

    @rank_zero_only
    def end(self, failed: bool) -> None:
        """Ends the W&B run. What the server has not received within two minutes stays on disk for ``wandb sync``."""
        run, self._run = self._run, None
        try:
            if run:
                run.finish(exit_code=int(failed))
        except Exception as error:  # the training itself is over; a failed upload must not replace its result or its error
            log.warning("W&B: the run could not be ended (%s); wandb sync uploads what is on disk", error)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
