"""What a run directory is: one folder that explains itself and can be moved, resumed and tested again."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from agegender.config import CONF, PACKAGE
from agegender.errors import AgeGenderError

PACKAGES = ("torch", "torchvision", "timm", "lightning", "hydra-core", "albumentations", "opencv-python-headless",
            "numpy", "pandas", "torchmetrics")  # fmt: skip
LAST, BEST = "last.ckpt", "best.ckpt"


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
        return config

    def continued(self, overrides: list[str]) -> dict[str, Any]:
        """The run's configuration with command-line overrides of single values on top, such as ``trainer.max_epochs=20``.

        Raises:
            AgeGenderError: An override swaps a group, which would be another run, or names a key the run does not have.
        """
        from omegaconf import OmegaConf

        config = OmegaConf.create(self.config())
        OmegaConf.set_struct(config, True)
        for override in overrides:
            key, _, value = override.lstrip("+").partition("=")
            if key == "resume":
                continue
            if (CONF / key).is_dir():
                raise AgeGenderError(f"{override}: a resumed run keeps its parts; start a new run to swap {key}")
            try:
                OmegaConf.update(config, key, yaml.safe_load(value))
            except Exception as error:
                raise AgeGenderError(f"{override}: the run in {self.path} has no key {key}") from error
        plain = OmegaConf.to_container(config)
        plain["resume"] = str(self.path)  # type: ignore[index,call-overload]
        return plain  # type: ignore[return-value]

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
