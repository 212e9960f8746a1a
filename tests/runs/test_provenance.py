"""Git revision and versions, in real checkouts."""

import os
import subprocess
import sys
from pathlib import Path

import torch

from agegender.runs.provenance import git_revision, versions
from agegender.version import __version__


def git(folder: Path, *arguments: str) -> str:
    own = ["-c", "user.name=n", "-c", "user.email=e@example.com"]
    return subprocess.run(["git", "-C", folder, *own, *arguments], check=True, capture_output=True, text=True).stdout.strip()


def test_the_revision_is_that_of_the_folders_own_checkout(tmp_path: Path) -> None:
    assert git_revision(tmp_path) is None
    git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("one")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-qm", "first")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert git_revision(tmp_path) == commit
    (tmp_path / "file").write_text("two")
    assert git_revision(tmp_path) == f"{commit}+changes"
    (tmp_path / "inner").mkdir()
    assert git_revision(tmp_path / "inner") is None  # a package installed somewhere inside another project's checkout


def test_nothing_is_written_to_the_checkout(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("one")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-qm", "first")
    os.utime(tmp_path / "file", (1, 1))  # git status would record the new time in its index
    before = (tmp_path / ".git" / "index").read_bytes()
    git_revision(tmp_path)
    assert (tmp_path / ".git" / "index").read_bytes() == before
    git(tmp_path, "status")
    assert (tmp_path / ".git" / "index").read_bytes() != before


def test_versions_name_what_ran() -> None:
    found = versions("bf16-mixed")
    assert (found["agegender"], found["precision"]) == (__version__, "bf16-mixed")
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["packages"]["torch"] == torch.__version__.split("+")[0]
