"""Numbers of single faces, as a run predicted them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from agegender.comparison.discovery import read
from agegender.comparison.per_face import per_face_of
from agegender.metrics.registry import BY_KEY

Write = Callable[..., Path]
MAE, DISTANCE, CLASS, GENDER = (BY_KEY[key] for key in ("age_mae", "age_distance", "age_class_accuracy", "gender_accuracy"))


def test_age_classes_are_those_that_are_asked_for(write_run: Write) -> None:
    run = read(write_run("a", [0.0, 5.4, 5.6, 40.0]))  # labelled 20, 21, 22, 23
    found = per_face_of(run, CLASS, (0, 26, 51, 76))
    assert found is not None and found.tolist() == [1, 0, 0, 0]  # 26.4 is nearest to 26, an age of the next class
    found = per_face_of(run, CLASS, (0, 27))
    assert found is not None and found.tolist() == [1, 1, 0, 0]
    assert per_face_of(run, CLASS) is None and per_face_of(run, GENDER) is None


def test_ranges_have_a_distance_and_no_error(write_run: Write) -> None:
    run = read(write_run("a", [-3.0, 2.0, 7.0], width=5))
    assert per_face_of(run, MAE) is None
    distance = per_face_of(run, DISTANCE)
    assert distance is not None and np.allclose(distance, [3, 0, 2])


def test_the_faces_are_those_of_a_split_if_predictions_were_kept(write_run: Write) -> None:
    run = read(write_run("a", [1.0]))
    assert per_face_of(run, MAE, split="test") is not None and per_face_of(run, MAE, split="val") is None
    assert per_face_of(read(write_run("b", [1.0], predictions=False)), MAE) is None
