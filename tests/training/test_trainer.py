"""The Trainer of a run: where it writes, and what it rejects."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import CSVLogger

from agegender.configuration.build import build
from agegender.configuration.schema import validate
from agegender.errors import AgeGenderError
from agegender.runs.run_directory import RunDirectory
from agegender.train import train
from agegender.training.trainer import build_trainer, training_trainer

Configure = Callable[..., dict[str, Any]]


def trainer_of(config: dict[str, Any], folder: Path) -> Any:
    return training_trainer(config, RunDirectory(folder), build(config["callbacks"], "callbacks").values())


def test_callbacks_and_loggers_write_into_the_run_directory(configure: Configure, tmp_path: Path) -> None:
    trainer = trainer_of(configure("trainer.max_epochs=7"), tmp_path)
    assert (trainer.max_epochs, trainer.default_root_dir) == (7, str(tmp_path))
    [logger] = trainer.loggers
    assert isinstance(logger, CSVLogger) and Path(logger.log_dir).is_relative_to(tmp_path)
    kinds = [type(callback).__name__ for callback in trainer.callbacks]
    assert "EarlyStopping" in kinds and kinds.index("History") < kinds.index("EpochCheckpoint")


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"accelerator": "foo"}, "foo"), ({"accelerator": "cpu", "precision": "fp16"}, "fp16"), ({"devices": 0}, "devices")],
)
def test_what_lightning_rejects_is_one_line(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(AgeGenderError, match=f"^trainer: .*{message}") as error:
        build_trainer(**settings)
    assert len(str(error.value).splitlines()) == 1


def test_a_run_without_the_callback_that_saves_is_refused_at_once(configure: Configure, tmp_path: Path) -> None:
    config = configure("~callbacks.checkpoint")
    with pytest.raises(AgeGenderError, match=r"callbacks: .*EpochCheckpoint"):
        trainer_of(config, tmp_path)


def test_there_is_a_progress_bar_only_on_a_terminal(
    configure: Configure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for terminal in (False, True):
        monkeypatch.setattr("sys.stderr.isatty", lambda terminal=terminal: terminal)
        assert (trainer_of(configure(), tmp_path).progress_bar_callback is not None) == terminal
    assert any(isinstance(callback, EarlyStopping) for callback in trainer_of(configure(), tmp_path).callbacks)


def test_variables_of_slurm_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SLURM job starts other programs too: its number of tasks is not the number of ranks."""
    for name, value in {"NTASKS": "8", "JOB_NAME": "x", "PROCID": "3", "LOCALID": "3", "JOB_ID": "7", "NODEID": "0"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    alone = build_trainer(accelerator="cpu", devices=1)
    assert (alone.world_size, alone.global_rank, alone.is_global_zero) == (1, 0, True)
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    rank = build_trainer(accelerator="cpu", devices=2, strategy="ddp")
    assert (rank.world_size, rank.global_rank, rank.local_rank) == (2, 1, 1)


@pytest.mark.parametrize(("name", "part"), [("simple", "training_step"), ("pytorch", "aten::convolution")])
def test_a_profiler_writes_below_the_run_directory(name: str, part: str, configure: Configure, tmp_path: Path) -> None:
    config = configure(f"trainer.profiler={name}", "trainer.max_epochs=1", "test=false")
    validate(config)
    train(config, RunDirectory(tmp_path / "run"))
    files = [path for path in (tmp_path / "run" / "profile").iterdir() if path.name.startswith(f"fit-{name}")]
    assert any(part in file.read_text() for file in files)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("value", ["advanced", 1, "[simple]"])
def test_another_profiler_is_refused(value: Any, configure: Configure) -> None:
    with pytest.raises(AgeGenderError, match=r"^trainer\.profiler=.*: allowed: simple, pytorch$"):
        validate(configure(f"trainer.profiler={value}"))
