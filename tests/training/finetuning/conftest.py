"""Short runs of every fine-tuning method, with a copy of the run directory after each epoch."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from agegender.configuration.command import compose
from agegender.configuration.schema import validate
from agegender.runs.run_directory import RunDirectory
from agegender.train import train
from agegender.training.checkpoints import EpochCheckpoint

MODES = {
    "frozen": ["finetune=frozen", "trainer.accumulate_grad_batches=2"],
    "two_stage": [
        "finetune=two_stage", "finetune.two_stage.epochs=2", "finetune.two_stage.layers=1", "finetune.two_stage.lr=0.0003",
    ],
    "two_stage one_cycle": [
        "finetune=two_stage", "finetune.two_stage.epochs=1", "finetune.two_stage.layers=null", "schedule=one_cycle",
    ],
    "two_stage plateau": [
        "finetune=two_stage", "finetune.two_stage.epochs=2", "schedule=plateau", "schedule.patience=0", "schedule.threshold=10",
        "finetune.two_stage.layers=2",
    ],
    "gradual": ["finetune=gradual", "trainer.gradient_clip_val=0.5"],
    "gradual layer_decay": ["finetune=gradual", "optimizer.layer_decay=0.5", "optimizer=sgd", "optimizer.lr=0.01"],
    "layer_decay": ["finetune=layer_decay"],
}  # fmt: skip
EPOCHS = 4


@pytest.fixture(scope="session", params=MODES)
def epochs_of_a_run(
    request: pytest.FixtureRequest, faces: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, list[Path]]:
    """Name of a method, and copies of the run directory after each epoch of an uninterrupted run."""
    folder = tmp_path_factory.mktemp(request.param.replace(" ", "_"))
    config = compose([
        "data=utkface", f"data.root={faces}", "image_size=16", "backbone.widths=[4,8,8]", "loader.batch_size=8",
        f"trainer.max_epochs={EPOCHS}", "callbacks=ema", "callbacks.ema.decay=0.8", "balance=uncertainty", "trunk=dropout",
        "test=false", "logger=none", *MODES[request.param],
    ])  # fmt: skip
    validate(config)
    save, copies = EpochCheckpoint.on_train_epoch_end, []

    def save_and_copy(self: EpochCheckpoint, trainer: Any, module: Any) -> None:
        save(self, trainer, module)
        copies.append(Path(shutil.copytree(folder / "run", folder / f"after{trainer.current_epoch + 1}")))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EpochCheckpoint, "on_train_epoch_end", save_and_copy)
        train(config, RunDirectory(folder / "run"))
    assert len(copies) == EPOCHS
    return request.param, copies
