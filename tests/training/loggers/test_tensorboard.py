"""TensorBoard files, read with TensorBoard's own reader."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from agegender.errors import AgeGenderError
from agegender.runs.run_directory import RunDirectory
from agegender.train import train
from agegender.training.loggers.tensorboard import TensorBoard

Configure = Callable[..., dict[str, Any]]


def read(run: RunDirectory) -> dict[str, Any]:
    """Numbers by name, names of images, texts by name, of all files of a run."""
    found: dict[str, Any] = {"scalars": {}, "images": {}, "texts": {}}
    for file in sorted(run.path.glob("tensorboard/version_*/events*")):
        events = EventAccumulator(str(file), size_guidance={"images": 0, "tensors": 0, "scalars": 0}).Reload()
        tags = events.Tags()
        found["scalars"] |= {name: [one.value for one in events.Scalars(name)] for name in tags["scalars"]}
        found["images"] |= {name: events.Images(name) for name in tags["images"]}
        found["texts"] |= {name: events.Tensors(name)[0].tensor_proto.string_val[0].decode() for name in tags["tensors"]}
    return found


@pytest.mark.parametrize("visible", [False, True])
def test_the_curves_and_the_test_are_shown(visible: bool, configure: Configure, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    train(configure("logger=tensorboard", "logger.tensorboard.samples=3", f"logger.tensorboard.faces={visible}"), run)
    shown, metrics = read(run), json.loads(run.metrics.read_text())["test"]
    assert len(shown["scalars"]["val/age_mae"]) == 2
    assert shown["scalars"]["test/age_mae"] == pytest.approx([metrics["age_mae"]])
    assert shown["scalars"]["test/gender_accuracy"] == pytest.approx([metrics["gender_accuracy"]])
    assert {"test/cumulative-score", "test/confusion-gender", "test/grad_cam"} <= shown["images"].keys()
    assert len(shown["images"].get("test/faces", [])) == (3 if visible else 0)
    assert "male" in shown["texts"]["test/groups-gender/text_summary"]
    assert len(shown["texts"]["test/predictions/text_summary"].splitlines()) == 2 + 3


def test_a_negative_number_of_samples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AgeGenderError, match=r"logger\.tensorboard\.samples=-1: must be at least 0"):
        TensorBoard(tmp_path, samples=-1)
