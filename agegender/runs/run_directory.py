"""What a run directory is: one folder that explains itself and can be moved, resumed and tested again."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from agegender.configuration.paths import CONF, PACKAGE
from agegender.configuration.renamed import with_current_targets
from agegender.errors import AgeGenderError

PACKAGES = ("torch", "torchvision", "timm", "lightning", "hydra-core", "albumentations", "opencv-python-headless",
            "numpy", "pandas", "torchmetrics")  # fmt: skip
LAST, BEST = "last.ckpt", "best.ckpt"
# Keys that may differ when a run goes on; everything else is settled by what was trained so far.
MAY_CHANGE = ("trainer.", "loader.", "logger.", "data.root", "data.sources.", "test", "compile")


class RunDirectory:
    """Names and formats of the files of one run.

    Args:
        path: The folder; made when something is written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.metrics = self.path / "metrics.json"
        self.last = self.path / "checkpoints" / LAST
        self.best = self.path / "checkpoints" / BEST

    def write(self, name: str, text: str) -> None:
        """Writes a text file, whole or not at all."""
        self.path.mkdir(parents=True, exist_ok=True)
        partial = self.path / f".{name}.partial"
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, self.path / name)

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Writes a JSON file, whole or not at all."""
        self.write(name, json.dumps(value, indent=2, allow_nan=False) + "\n")

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Writes the resolved configuration that ``config`` reads."""
        self.write("config.yaml", yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True))

    def write_versions(self, precision: str) -> None:
        """Writes what ran; a resumed session that runs with anything else is added, and the first stays."""
        file, now = self.path / "versions.json", versions(precision)
        first = json.loads(file.read_text(encoding="utf-8")) if file.exists() else now
        if any(first.get(key) != value for key, value in now.items()):
            first.setdefault("resumed", []).append(now)
        self.write_json("versions.json", first)

    def config(self) -> dict[str, Any]:
        """The resolved configuration of the run.

        Raises:
            AgeGenderError: The folder is not a run directory.
        """
        file = self.path / "config.yaml"
        try:
            config = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
            raise AgeGenderError(f"{self.path}: not a run directory, since {file.name} cannot be read ({error})") from error
        if not isinstance(config, dict):
            raise AgeGenderError(f"{file}: expected a mapping of keys to values")
        return dict(with_current_targets(config))

    def continued(self, overrides: Sequence[str]) -> dict[str, Any]:
        """The run's configuration with command-line overrides on top, as far as they leave the model what it is.

        Raises:
            AgeGenderError: An override would make it another run, or names a key that the run does not have.
        """
        from hydra.core.override_parser.overrides_parser import OverridesParser
        from omegaconf import OmegaConf

        saved = self.config()
        config = OmegaConf.create(saved)
        OmegaConf.set_struct(config, True)
        for override in OverridesParser.create().parse_overrides(list(overrides)):
            key, value = override.key_or_group, override.value()
            if key in ("resume", "experiment") or key.startswith("hydra."):
                continue
            if not key.startswith(MAY_CHANGE) or (CONF / key).is_dir():
                raise AgeGenderError(
                    f"{override.input_line}: a resumed run stays what it is; start a new run to change {key}. "
                    f"Allowed: {', '.join(MAY_CHANGE)}"
                )
            if key == "data.root" and len(saved["data"]["sources"]) == 1:  # what the source reads was resolved long ago
                key = f"data.sources.{next(iter(saved['data']['sources']))}.root"
            try:
                OmegaConf.update(config, key, value)
            except Exception as error:
                raise AgeGenderError(f"{override.input_line}: the run in {self.path} has no key {key}") from error
        plain: dict[str, Any] = OmegaConf.to_container(config)  # type: ignore[assignment]
        longer = plain["trainer"]["max_epochs"] != saved["trainer"]["max_epochs"]
        if longer and plain["schedule"]["_target_"].endswith(".OneCycle"):
            raise AgeGenderError("trainer.max_epochs: a one-cycle schedule ends with the run it was made for; start a new run")
        return {**plain, "resume": str(self.path)}

    def split(self) -> str:
        """The text of ``split.csv``.

        Raises:
            AgeGenderError: There is none.
        """
        try:
            return (self.path / "split.csv").read_text(encoding="utf-8")
        except OSError as error:
            raise AgeGenderError(f"{self.path}: has no split.csv, so nobody can tell which faces it was trained on") from error

    def write_seen(self, faces: Any) -> None:
        """Writes the SHA-256 of every image of the train and val parts, by which they are known under any name."""
        self.write("seen.txt", "\n".join(sorted(set(faces["sha256"][faces["split"].isin(["train", "val"])]))) + "\n")

    def seen(self) -> set[str]:
        """SHA-256 of every image that the model was trained or selected on.

        Raises:
            AgeGenderError: The run does not say.
        """
        try:
            return set((self.path / "seen.txt").read_text(encoding="utf-8").split())
        except OSError as error:
            raise AgeGenderError(f"{self.path}: has no seen.txt, so nobody can tell which faces it was trained on") from error

    def require_same_faces(self, split_csv: str) -> None:
        """Refuses other faces or parts than the run began with: some would be tested that it has learned from.

        Raises:
            AgeGenderError: Says how many rows differ, with an example.
        """
        own = self.split()
        if own != split_csv:
            then, now = set(own.splitlines()), set(split_csv.splitlines())
            sample = next(iter(sorted(then ^ now)), "")
            raise AgeGenderError(
                f"the faces differ from those that the run in {self.path} began with: {len(then - now)} rows of split.csv are "
                f"gone or changed and {len(now - then)} are new, such as {sample!r}. Figures on them would be no test of it"
            )

    def log_to_file(self) -> None:
        """Sends the log to the terminal and to ``log.txt``, appending when a run is resumed."""
        self.path.mkdir(parents=True, exist_ok=True)
        file = logging.FileHandler(self.path / "log.txt", encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        console = logging.StreamHandler(sys.stdout)
        console.setFormatter(logging.Formatter("%(message)s"))
        logger = logging.getLogger("agegender")
        logger.setLevel(logging.INFO)
        logger.handlers = [console, file]
        logger.propagate = False
        for name in ("lightning.pytorch", "lightning.fabric", "py.warnings"):
            logging.getLogger(name).addHandler(file)
        logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)


def versions(precision: str) -> dict[str, Any]:
    """Packages, git revision and the precision really used: 16-mixed becomes bf16-mixed on a CPU."""
    installed: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            installed[name] = None
    from agegender import __version__

    return {
        "agegender": __version__,
        "git": git_revision(PACKAGE.parent),
        "python": sys.version.split()[0],
        "precision": precision,
        "packages": installed,
    }


def git_revision(folder: Path) -> str | None:
    """Commit of a checkout, with ``+changes`` where files differ from it; None outside a checkout."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != folder.resolve():
            return None
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return None
