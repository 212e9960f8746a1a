"""The run directory: one folder that holds everything about a run, and that can be moved, resumed and evaluated again."""

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from agegender.configuration.plain_yaml import read_yaml
from agegender.configuration.renamed import current
from agegender.errors import AgeGenderError
from agegender.escaping import csv_cell
from agegender.metrics import earlier_schemas
from agegender.regular_files import open_text
from agegender.whole_files import whole

if TYPE_CHECKING:
    import pandas as pd


class RunDirectory:
    """Names, writes and reads every file of a run, or of an evaluation of it.

    Each attribute is the path of a file, which need not exist. A text file or table is written completely or not at all.

    Args:
        path: The folder. It is created when something is written.

    Attributes:
        config: ``config.yaml``, the resolved configuration.
        versions: ``versions.json``, the versions of the code and the packages; a session that resumes with others is added.
        split: ``split.csv``, all faces with labels, split and SHA-256; earlier versions wrote no SHA-256.
        seen: ``seen.txt``, SHA-256 and perceptual hash of every image of the train and validation splits, one a line; those of
            earlier models that it started from too.
        seen_before: ``seen_before.txt``, those images of it that earlier models have learned from (``init_from``).
        init: ``init_from.yaml``, the earlier models that the run started from, and how much of their weights was loaded.
        history: ``history.csv``, one row of metrics an epoch.
        curves: ``curves.png``, the history drawn.
        layers: ``layers.txt``, the layers of the network.
        model: ``model.json``, parameters and FLOPs of the network.
        last: ``checkpoints/last.ckpt``, the last finished epoch, to resume from.
        best: ``checkpoints/best.ckpt``, the epoch with the best monitor, to test.
        metrics: ``metrics.json``, what the test measured.
        groups: ``groups.csv``, metrics of groups of people: one row a group and metric.
        calibration: ``calibration.json``, age intervals and a temperature for new predictions.
        predictions: ``predictions.parquet``, faces with labels and predictions.
        robustness: ``robustness.csv``, the metrics on graded changes of the images.
        crop_curve: ``crop_curve.csv``, the metrics at several values of ``data.crop_scale``.
        suspicious: ``suspicious.csv``, tested faces with labels that the model contradicts, the least plausible first.
        suspicious_picture: ``suspicious.png``, those faces.
        unmatched: ``unmatched.csv``, faces without an estimate and estimates without a face, of a file of predictions.
        predictions_picture: ``predictions.png``, predicted against labelled ages, and confusion matrices.
        faces_picture: ``faces.png``, some faces with labels and predictions.
        report: ``report.html``, the report of a test, for a browser.
        model_card: ``modelcard.md``, what the model is for, how good it is, and for whom.
        figures: ``figures``, a folder with the plots of the report as PNG and SVG.
        explanation_age: ``explanation_age.png``, what the estimated age of some faces depends on.
        explanation_gender: ``explanation_gender.png``, what the estimated gender of some faces depends on.
        log: ``log.txt``.
        profile: ``profile``, folder of the tables and traces of ``trainer.profiler``, one for each rank.
        wandb: ``wandb.json``, id, group and name of the W&B run that a resumed run continues.
        job: ``job.yaml``, configuration and overrides of a job of a sweep.
        output: ``output.txt``, standard output and error of a job of a sweep.
        slurm: ``slurm_job.txt``, id of the SLURM job that runs it.
        stop: ``stop.txt``, which a search writes to stop a job at the end of the epoch; it holds the reason.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config = self.path / "config.yaml"
        self.versions = self.path / "versions.json"
        self.split = self.path / "split.csv"
        self.seen = self.path / "seen.txt"
        self.seen_before = self.path / "seen_before.txt"
        self.init = self.path / "init_from.yaml"
        self.history = self.path / "history.csv"
        self.curves = self.path / "curves.png"
        self.layers = self.path / "layers.txt"
        self.model = self.path / "model.json"
        self.last = self.path / "checkpoints" / "last.ckpt"
        self.best = self.path / "checkpoints" / "best.ckpt"
        self.metrics = self.path / "metrics.json"
        self.groups = self.path / "groups.csv"
        self.calibration = self.path / "calibration.json"
        self.predictions = self.path / "predictions.parquet"
        self.robustness = self.path / "robustness.csv"
        self.crop_curve = self.path / "crop_curve.csv"
        self.suspicious = self.path / "suspicious.csv"
        self.suspicious_picture = self.path / "suspicious.png"
        self.unmatched = self.path / "unmatched.csv"
        self.predictions_picture = self.path / "predictions.png"
        self.faces_picture = self.path / "faces.png"
        self.report = self.path / "report.html"
        self.model_card = self.path / "modelcard.md"
        self.figures = self.path / "figures"
        self.explanation_age = self.path / "explanation_age.png"
        self.explanation_gender = self.path / "explanation_gender.png"
        self.log = self.path / "log.txt"
        self.profile = self.path / "profile"
        self.wandb = self.path / "wandb.json"
        self.job = self.path / "job.yaml"
        self.output = self.path / "output.txt"
        self.slurm = self.path / "slurm_job.txt"
        self.stop = self.path / "stop.txt"

    def evaluation(self, name: str) -> "RunDirectory":
        """The folder of an evaluation of this run: ``evaluation/NAME``, with the files of a test."""
        return RunDirectory(self.path / "evaluation" / name)

    @property
    def evaluation_of(self) -> "RunDirectory | None":
        """The run of which this folder is an evaluation; None if it is none."""
        folder = self.path.resolve()
        if folder.parent.name != "evaluation" or not self.metrics.is_file():
            return None
        run = RunDirectory(folder.parents[1])
        return run if run.config.is_file() else None

    @property
    def latest_test(self) -> "RunDirectory":
        """The evaluation on the run's own test split, if it is later than the test of the run; else the run itself."""
        evaluation = self.evaluation("test")
        if not evaluation.metrics.is_file():
            return self
        newer = not self.metrics.is_file() or evaluation.metrics.stat().st_mtime >= self.metrics.stat().st_mtime
        return evaluation if newer else self

    def require_new(self) -> None:
        """Refuses a folder that holds a run, which a new run would overwrite.

        Raises:
            AgeGenderError: It holds a checkpoint or metrics.
        """
        if self.last.exists() or self.best.exists() or self.metrics.exists():
            raise AgeGenderError(
                f"{self.path}: holds a run already. Continue it with resume={self.path}, or choose another hydra.run.dir"
            )

    def require_no_links_outside(self) -> None:
        """Refuses symbolic links that lead out of the folder: what is written to them would be written elsewhere.

        wandb puts a link to its own log into the folder of each session, and writes a new folder for the next session, so links
        in these folders are allowed.

        Raises:
            AgeGenderError: There is such a link.
        """
        home = self.path.resolve()
        for folder, folders, files in os.walk(self.path):
            for path in (Path(folder, name) for name in (*folders, *files)):
                if path.is_symlink() and not path.resolve().is_relative_to(home):
                    raise AgeGenderError(
                        f"{path}: a symbolic link to {path.resolve()}, outside the run directory, where nothing is written. "
                        "Replace it by the file or folder"
                    )
            if Path(folder) == self.path / "wandb":
                folders.clear()

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Writes a plain, resolved configuration."""
        _write(self.config, yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True))

    def read_config(self) -> dict[str, Any]:
        """The resolved configuration, with settings and names of metrics of earlier versions replaced by today's.

        Raises:
            AgeGenderError: The folder is not a run directory.
        """
        try:
            config = read_yaml(_read(self.config))
            if not isinstance(config, dict):
                raise ValueError(f"expected a mapping, not {type(config).__name__}")
        except (OSError, ValueError) as error:
            raise AgeGenderError(f"{self.path}: not a run directory: {self.config.name} cannot be read: {error}") from error
        config = current(config)
        return {key: earlier_schemas.current_paper(value) if key == "paper" else value for key, value in config.items()}

    def write_versions(self, versions: Mapping[str, Any]) -> None:
        """Writes the versions of the first session; those of a later session are added if they differ."""
        first = self.read_versions() if self.versions.exists() else dict(versions)
        if any(first.get(key) != value for key, value in versions.items()):
            first.setdefault("resumed", []).append(dict(versions))
        _write_json(self.versions, first)

    def read_versions(self) -> dict[str, Any]:
        """The versions of the first session; ``resumed`` lists those of later sessions that differ.

        Raises:
            AgeGenderError: The file is missing or damaged.
        """
        return _read_json(self.versions)

    def write_split(self, table: str) -> None:
        """Writes ``split.csv``.

        Args:
            table: CSV, as ``agegender.data.split_csv.split_csv`` returns it.
        """
        _write(self.split, table)

    def read_split(self) -> str:
        """The text of ``split.csv``.

        Raises:
            AgeGenderError: There is no such file, so the faces that the model was trained on are unknown.
        """
        return self._read_faces(self.split)

    def write_seen(self, images: str) -> None:
        """Writes ``seen.txt``.

        Args:
            images: CSV, as ``agegender.data.seen.seen_csv`` returns it.
        """
        _write(self.seen, images)

    def read_seen(self) -> str:
        """The text of ``seen.txt``; of an earlier version, SHA-256 only and no header.

        Raises:
            AgeGenderError: There is no such file, so the faces that the model was trained on are unknown.
        """
        return self._read_faces(self.seen)

    def write_seen_before(self, images: str) -> None:
        """Writes ``seen_before.txt``.

        Args:
            images: Content of the ``seen.txt`` of the earlier model.
        """
        _write(self.seen_before, images)

    def read_seen_before(self) -> str | None:
        """The text of ``seen_before.txt``; None if there is no earlier model, or its images are not recorded.

        Raises:
            AgeGenderError: The file cannot be read.
        """
        return self._read_faces(self.seen_before) if self.seen_before.exists() else None

    def write_init(self, record: Mapping[str, Any]) -> None:
        """Writes ``init_from.yaml``: ``chain``, the earlier models, the oldest first; ``loaded``, the weights of each part."""
        _write(self.init, yaml.safe_dump(dict(record), sort_keys=False, allow_unicode=True))

    def read_init(self) -> dict[str, Any]:
        """What ``write_init`` wrote; an empty chain if the run does not start from an earlier model.

        Raises:
            AgeGenderError: The file is damaged.
        """
        if not self.init.exists():
            return {"chain": [], "loaded": {}}
        with _reading(self.init):
            record = read_yaml(_read(self.init))
            if not isinstance(record, dict):
                raise ValueError(f"expected a mapping, not {type(record).__name__}")
        return record

    def _read_faces(self, file: Path) -> str:
        if not file.exists():
            raise AgeGenderError(f"{self.path}: has no {file.name}, so the faces that the model was trained on are unknown")
        with _reading(file):
            return _read(file)

    def write_history(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Writes one row an epoch, under the union of the rows' columns."""
        columns = list(dict.fromkeys(name for row in rows for name in row))
        with _whole(self.history) as partial, partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    def read_history(self) -> list[dict[str, float]]:
        """One row an epoch, without what was not measured in it; empty if nothing was trained.

        Raises:
            AgeGenderError: The file is damaged.
        """
        if not self.history.is_file():
            return []
        with _reading(self.history), open_text(self.history, newline="") as file:
            return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]

    def write_stop(self, reason: str) -> None:
        """Tells the job that trains in this directory to stop at the end of the epoch.

        Args:
            reason: One line.
        """
        _write(self.stop, f"{reason}\n")

    def write_slurm(self, number: str) -> None:
        """Writes the id of the SLURM job that runs this job of a sweep."""
        _write(self.slurm, f"{number}\n")

    def read_slurm(self) -> str:
        """The id of the SLURM job that runs this job of a sweep, or ran it; empty if there is none."""
        return _read(self.slurm).strip() if self.slurm.is_file() else ""

    def write_layers(self, table: str) -> None:
        """Writes ``layers.txt``."""
        _write(self.layers, table)

    def write_model(self, cost: Mapping[str, int]) -> None:
        """Writes ``parameters``, ``trainable`` and ``flops`` of the network."""
        _write_json(self.model, cost)

    def read_model(self) -> dict[str, Any]:
        """What ``write_model`` wrote; empty for a run that recorded nothing.

        Raises:
            AgeGenderError: The file is damaged.
        """
        return _read_json(self.model) if self.model.is_file() else {}

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        """Writes ``metrics.json``."""
        _write_json(self.metrics, metrics)

    def read_metrics(self) -> dict[str, Any]:
        """What the test measured, in today's schema.

        Raises:
            AgeGenderError: The file is missing or damaged, or a later version wrote it.
        """
        with _reading(self.metrics):
            return earlier_schemas.current_metrics(_read_json(self.metrics))

    def write_groups(self, groups: "pd.DataFrame") -> None:
        """Writes ``groups.csv``, safe to open in a spreadsheet.

        Args:
            groups: As ``agegender.evaluation.fairness.groups_table`` returns it.
        """
        safe = groups.assign(group=groups["group"].map(csv_cell))
        _write(self.groups, safe.to_csv(index=False, lineterminator="\n"))

    def write_calibration(self, calibration: Mapping[str, Any]) -> None:
        """Writes ``calibration.json``, as ``agegender.metrics.calibration.Calibration.of`` reads it."""
        _write_json(self.calibration, calibration)

    def read_calibration(self) -> dict[str, Any] | None:
        """The calibration of the run's own test or, if it has no age intervals, of its evaluation on its own test split.

        Returns:
            The content, as ``agegender.metrics.calibration.Calibration.of`` reads it; None if there is none.

        Raises:
            AgeGenderError: The file is damaged, or a later version wrote it.
        """
        from agegender.metrics.calibration import Calibration

        found = None
        for file in (self.calibration, self.evaluation("test").calibration):
            if file.is_file():
                found = _read_json(file)
                with _reading(file):
                    if Calibration.of(found).levels:
                        return found
        return found

    def write_predictions(self, faces: "pd.DataFrame") -> None:
        """Writes faces with labels and predictions; ``row``, the place in a table in memory, is left out."""
        with _whole(self.predictions) as partial:
            faces.drop(columns="row", errors="ignore").to_parquet(partial, index=False)

    def read_predictions(self) -> "pd.DataFrame | None":
        """Faces with labels and predictions, sorted by dataset and path; None if they were not kept.

        Raises:
            AgeGenderError: The file is damaged.
        """
        if not self.predictions.is_file():
            return None
        import pandas as pd

        with _reading(self.predictions):
            return pd.read_parquet(self.predictions).sort_values(["dataset", "path"], ignore_index=True)

    def write_unmatched(self, rows: "pd.DataFrame") -> None:
        """Writes ``kind``, ``path`` and ``reason`` of what could not be matched."""
        _write_table(self.unmatched, rows)

    def write_report(self, page: str) -> None:
        """Writes ``report.html``."""
        _write(self.report, page)

    def write_model_card(self, text: str) -> None:
        """Writes ``modelcard.md``."""
        _write(self.model_card, text)

    def read_model_card(self) -> str | None:
        """The text of ``modelcard.md``; None if there is none.

        Raises:
            AgeGenderError: The file is damaged.
        """
        if not self.model_card.is_file():
            return None
        with _reading(self.model_card):
            return _read(self.model_card)

    def write_suspicious(self, faces: "pd.DataFrame") -> None:
        """Writes faces with suspicious labels."""
        _write_table(self.suspicious, faces)

    def write_robustness(self, rows: "pd.DataFrame") -> None:
        """Writes the metrics of each corruption at each level."""
        _write_table(self.robustness, rows)

    def write_crop_curve(self, rows: "pd.DataFrame") -> None:
        """Writes the metrics of each dataset at each value of ``data.crop_scale``."""
        _write_table(self.crop_curve, rows)

    def write_wandb(self, identity: Mapping[str, Any]) -> None:
        """Writes ``id``, ``group`` and ``name`` of the W&B run."""
        _write_json(self.wandb, identity)

    def read_wandb(self) -> dict[str, Any] | None:
        """``id``, ``group`` and, unless an earlier version wrote it, ``name`` of the W&B run; None for a run that has none.

        Raises:
            AgeGenderError: The file is damaged.
        """
        return _read_json(self.wandb) if self.wandb.is_file() else None


@contextmanager
def _whole(file: Path) -> Iterator[Path]:
    """Yields a path to write to, which replaces the file at the end; makes its folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with whole(file) as partial:
        yield partial


def _read(file: Path) -> str:
    with open_text(file) as opened:
        return opened.read()


def _write(file: Path, text: str) -> None:
    with _whole(file) as partial:
        partial.write_text(text, encoding="utf-8")


def _write_table(file: Path, rows: "pd.DataFrame") -> None:
    """Writes CSV that a spreadsheet opens without evaluating a text."""
    _write(file, rows.astype(object).where(rows.notna(), None).map(csv_cell).to_csv(index=False, lineterminator="\n"))


def _write_json(file: Path, value: Mapping[str, Any]) -> None:
    _write(file, json.dumps(value, indent=2, allow_nan=False) + "\n")


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise AgeGenderError(f"{file}: cannot be read: {type(error).__name__}: {error}") from error


def _read_json(file: Path) -> dict[str, Any]:
    with _reading(file):
        value = json.loads(_read(file))
        if not isinstance(value, dict):
            raise ValueError(f"expected a mapping, not {type(value).__name__}")
    return value
