import dataclasses
from pathlib import Path

import numpy as np

from agegender.inference.face_crop import FacePlace
from agegender.inference.trained_model import TrainedModel, labels, preprocess
from agegender.models.checkpoint import load_network
from agegender.sources.crop import Crop


def test_describes_the_network_in_plain_values(trained_run: Path) -> None:
    trained = load_network(trained_run / "checkpoints" / "best.ckpt")
    place = FacePlace((0.1, 0.2, 0.8, 0.9), None, 5, 6)
    described = preprocess(trained, place)
    assert described["image_size"] == 32
    assert described["crop"] == {"fit": "crop", "scale": 1.0, "outside": "reflect"}
    several = dataclasses.replace(trained, crops={"a": Crop(), "b": Crop(scale=0.8)})
    assert preprocess(several, place)["crop"] is None
    assert FacePlace.of(described["face_place"]) == place
    assert labels(trained)["tasks"] == ["age", "gender"]


def test_estimates_with_the_layout_of_a_bundle(trained_run: Path) -> None:
    model = TrainedModel(load_network(trained_run / "checkpoints" / "best.ckpt"))
    outputs = model.outputs(np.zeros((3, 32, 32, 3), np.uint8))
    assert {name: values.shape for name, values in outputs.items()} == {
        "age": (3,), "probability_female": (3,), "age_distribution": (3, 117)
    }  # fmt: skip
