"""What made a run: its configuration, git revision, versions of Python and of the packages, precision."""

import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from agegender.configuration.paths import PACKAGE
from agegender.runs.run_directory import RunDirectory
from agegender.version import __version__

PACKAGES = ("torch", "torchvision", "timm", "lightning", "hydra-core", "albumentations", "opencv-python-headless",
            "numpy", "pandas", "torchmetrics")  # fmt: skip


def record_settings(run: RunDirectory, config: Mapping[str, Any], precision: str) -> None:
    """Writes the configuration and the versions of a session.

    Args:
        run: Where they are written.
        config: Plain and resolved.
        precision: See ``versions``.
    """
    run.write_config(config)
    run.write_versions(versions(precision))


def versions(precision: str) -> dict[str, Any]:
    """Versions of this package, its git revision, Python and the main packages, and the precision.

    Args:
        precision: The one that the trainer uses, which may differ from the configured one: on a CPU ``16-mixed`` becomes
            ``bf16-mixed``.
    """
    return {
        "agegender": __version__,
        "git": git_revision(PACKAGE.parent),
        "python": sys.version.split()[0],
        "precision": precision,
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def git_revision(folder: Path) -> str | None:
    """Commit of a checkout, followed by ``+changes`` if files differ from it; None outside a checkout."""

    def git(*arguments: str) -> str:
        return subprocess.run(  # without optional locks, by which git status would write to the checkout
            ["git", "--no-optional-locks", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != folder.resolve():
            return None
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.SubprocessError):
        return None
