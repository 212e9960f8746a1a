"""Commands run on hostile input, in a folder where every write is seen."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

TINY = ("image_size=16", "backbone.widths=[4]", "loader.batch_size=16", "trainer.max_epochs=1", "loader.num_workers=0")
LONGEST = 4000  # characters of output of a command that refuses its input


@dataclass
class Result:
    """What a command did."""

    argv: list[str]
    status: int | None
    output: str
    written: list[str] = field(default_factory=list)  # files outside the places where it may write

    @property
    def faults(self) -> list[str]:
        """Broken promises: unknown status, no end in time, a traceback, a silent or long refusal, stray writes."""
        checks = {
            "did not end in time": self.status is None,
            f"ended with status {self.status}": self.status is not None and self.status not in (0, 1, 2),
            "printed a traceback": "Traceback (most recent call last)" in self.output,
            "refused without a word": self.status in (1, 2) and not self.output.strip(),
            f"printed {len(self.output)} characters": self.status in (1, 2) and len(self.output) > LONGEST,
            f"wrote {self.written[:3]}": bool(self.written),
        }
        return [fault for fault, broken in checks.items() if broken]

    def must_be_decent(self, *named: str) -> None:
        """Fails with the whole output if a promise is broken, or if a refusal names none of the given words."""
        faults = self.faults
        if self.status not in (0, None) and named and not any(name in self.output for name in named):
            faults.append(f"names none of {named}")
        assert not faults, f"{self.argv}: {'; '.join(faults)}\n{self.output[-3000:]}"


class World:
    """A folder with its own home, cache and temporary files, and a process that runs commands in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.runs = path / "runs"
        self.count = 0
        for name in ("home", "tmp", "cache", "runs", "logs"):
            (path / name).mkdir()
        project = Path(__file__).resolve().parents[2]
        self.env = {
            "HOME": str(path / "home"), "TMPDIR": str(path / "tmp"), "AGEGENDER_CACHE": str(path / "cache"),
            "XDG_CACHE_HOME": str(path / "home" / "cache"), "MPLCONFIGDIR": str(path / "home" / "mpl"), "WANDB_MODE": "offline",
            "PYTHONPATH": str(project), "OMP_NUM_THREADS": "1", "NO_ALBUMENTATIONS_UPDATE": "1",
        }  # fmt: skip
        zygote = [sys.executable, str(Path(__file__).with_name("zygote.py"))]
        self.server = subprocess.Popen(
            zygote, env={**os.environ, **self.env}, cwd=path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.server.stdout is not None and self.server.stdout.readline() == "ready\n"

    def __call__(self, *argv: str, seconds: float = 60, allowed: tuple[str, ...] = (), largest: int | None = None) -> Result:
        """Runs ``python -m argv...``.

        Args:
            argv: The module and its arguments.
            seconds: Limit.
            allowed: Further files or folders that it may write.
            largest: Size in bytes of the largest file that it can write; None for any.
        """
        self.count += 1
        log = self.path / "logs" / f"{self.count}.txt"
        before = self._files()
        job = {
            "argv": list(argv),
            "cwd": str(self.path),
            "env": self.env,
            "output": str(log),
            "seconds": seconds,
            "largest": largest,
        }
        assert self.server.stdin is not None and self.server.stdout is not None
        print(json.dumps(job), file=self.server.stdin, flush=True)
        status = json.loads(self.server.stdout.readline())
        places = ("home/", "tmp/", "cache/", "runs/", "logs/", "outputs/", *allowed)
        changed = sorted(name for name, state in self._files().items() if before.get(name) != state)
        gone = sorted(set(before) - set(self._files()))
        written = [name for name in changed + gone if not name.startswith(places)]
        return Result(list(argv), status, log.read_text(encoding="utf-8", errors="replace"), written)

    def train(self, *overrides: str, data: str = "data=toyfaces", seconds: float = 120, largest: int | None = None) -> Result:
        """A tiny training into a run directory of its own."""
        toy = (f"data.root={self.path / 'toyfaces'}", "data.sources.toyfaces.n=60") if data == "data=toyfaces" else ()
        place = f"hydra.run.dir={self.runs / str(self.count)}"
        return self(
            "agegender.train", data, *toy, *TINY, place, *overrides, seconds=seconds, allowed=("toyfaces/",), largest=largest
        )

    def _files(self) -> dict[str, tuple[int, int]]:
        found = {}
        for folder, _, names in os.walk(self.path):
            for name in names:
                path = Path(folder) / name
                state = path.lstat()
                found[str(path.relative_to(self.path))] = (state.st_size, state.st_mtime_ns)
        return found


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One world for all hostile tests."""
    world = World(tmp_path_factory.mktemp("world"))
    yield world
    world.server.stdin.close()  # type: ignore[union-attr]
    world.server.wait(timeout=30)


@pytest.fixture(scope="session")
def run_dir(world: World) -> Path:
    """A finished tiny run, to be copied."""
    result = world.train(f"hydra.run.dir={world.path / 'finished'}")
    assert result.status == 0, result.output
    return world.path / "finished"


@pytest.fixture
def damaged(run_dir: Path, world: World) -> Callable[[str], Path]:
    """Copies the finished run to a folder of the given name under ``runs``, to be damaged."""
    import shutil

    def copy(name: str) -> Path:
        target = world.runs / name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(run_dir, target)
        return target

    return copy
