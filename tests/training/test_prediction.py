"""Each face of a split is predicted exactly once, in the order of the table, by the given model."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from agegender.data.assemble import assemble
from agegender.data.datamodule import FaceDataModule
from agegender.training.assemble import assemble_module
from agegender.training.module import AgeGenderModule
from agegender.training.prediction import predict, predict_held_out

Configure = Callable[..., dict[str, Any]]
CPU = {"accelerator": "cpu", "devices": 1}


def made(config: dict[str, Any]) -> tuple[AgeGenderModule, FaceDataModule]:
    torch.manual_seed(0)
    data = assemble(config)
    data.setup()
    return assemble_module(config, {}, {}).eval(), data


def test_predictions_are_those_of_the_network_face_by_face(configure: Configure) -> None:
    model, data = made(configure("loader.batch_size=7"))
    frame = predict(model, data.loader("train"), data.table.frame, {**CPU, "max_epochs": 3, "precision": "bf16-mixed"})
    rows = data.rows("train")
    assert frame["path"].tolist() == data.table.frame["path"].iloc[rows].tolist()
    for number in (0, len(rows) // 2, len(rows) - 1):
        [batch] = [batch for batch in data.loader("train") if rows[number] in batch["index"]]
        image = batch["image"][batch["index"].tolist().index(rows[number])]
        with torch.no_grad():
            alone = model(image[None])
        assert frame["age_pred"].iloc[number] == pytest.approx(float(alone["age"]), rel=1e-4)
        assert frame["probability_female"].iloc[number] == pytest.approx(float(alone["probability_female"]), rel=1e-4)


def test_a_model_of_one_task_predicts_that_task_alone(configure: Configure) -> None:
    model, data = made(configure("tasks=[gender]"))
    frame = predict(model, data.loader("test"), data.table.frame, CPU)
    assert "age_pred" not in frame
    assert frame["probability_female"].between(0, 1).all() and len(np.unique(frame["probability_female"])) > 1


@pytest.mark.parametrize(
    ("fractions", "splits"), [("[0.6,0.2,0.2]", ["val", "test"]), ("[0.8,0.2,0]", ["val"]), ("[0,0,1]", ["test"])]
)
def test_held_out_are_the_splits_that_have_faces(fractions: str, splits: list[str], configure: Configure) -> None:
    model, data = made(configure(f"split.fractions={fractions}"))
    predictions = predict_held_out(model, data, CPU)
    assert list(predictions) == splits
    for split, frame in predictions.items():
        assert len(frame) == len(data.rows(split)) and set(frame["split"]) == {split}


def test_views_are_averaged(configure: Configure) -> None:
    model, data = made(configure())
    one, flip, crops = (
        predict(model, data.loader("train"), data.table.frame, CPU, views=views) for views in ("one", "flip", "crops")
    )
    batches = [batch["image"] for batch in data.loader("train")]
    with torch.no_grad():
        mirrored = torch.cat([model(images.flip(3))["age"] for images in batches])
        expected = (torch.cat([model(images)["age"] for images in batches]) + mirrored) / 2
    np.testing.assert_allclose(flip["age_pred"], expected, rtol=1e-5)
    assert (one["age_pred"] - flip["age_pred"]).abs().max() > 1e-3 and (crops["age_pred"] - one["age_pred"]).abs().max() > 1e-3
    assert flip["path"].tolist() == one["path"].tolist() and flip["probability_female"].between(0, 1).all()
