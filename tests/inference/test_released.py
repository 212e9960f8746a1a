"""The released model is the file that was measured, and needs only the small packages."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from agegender import Predictor
from agegender.inference.bundle import Bundle
from agegender.inference.model_options import RELEASED
from agegender.sources.toyfaces.drawing import draw
from agegender.sources.toyfaces.traits import sample

SHA256 = "8f3efbeb3de42612e73fc065c8bcb0485f613520f6cc5404ebb172828da3ebe4"
PREDICTIONS = Path(__file__).with_name("released_predictions.json")


def drawn_faces() -> list[np.ndarray]:
    """64 drawn faces of all ages and both genders."""
    generators = [np.random.default_rng([0, index]) for index in range(64)]
    return [draw(sample(round(index * 100 / 63), index % 2, rng), 112, rng) for index, rng in enumerate(generators)]


def test_its_files_are_those_that_were_measured() -> None:
    assert hashlib.sha256((RELEASED / "model.onnx").read_bytes()).hexdigest() == SHA256
    assert sum(file.stat().st_size for file in RELEASED.iterdir()) < 8e6
    Bundle(RELEASED)  # verifies the checksums of the others


def test_predictions_on_drawn_faces() -> None:
    expected = json.loads(PREDICTIONS.read_text())
    faces = Predictor.load(RELEASED).faces(drawn_faces())
    assert [face.age for face in faces] == pytest.approx(expected["age"], abs=0.01)
    assert [face.probability_female for face in faces] == pytest.approx(expected["probability_female"], abs=1e-4)
    assert all(face.interval and face.interval[0] <= face.interval[1] for face in faces)


def test_it_has_learned_from_fairface_alone_and_says_under_which_terms() -> None:
    assert list(Bundle(RELEASED).labels["licenses"]) == ["fairface"]
    terms = (RELEASED / "licenses.md").read_text()
    assert all(word in terms for word in ("CC BY 4.0", "FairFace", "Apache-2.0", "ImageNet", "consent"))
    card = (RELEASED / "modelcard.md").read_text()
    assert "means appearance as judged by others" in card and "FairFace" in card
    everything = "".join(file.read_text() for file in RELEASED.iterdir() if file.suffix != ".onnx")
    assert "utkface" not in everything.lower() and "/work" not in everything and "/tmp" not in everything
