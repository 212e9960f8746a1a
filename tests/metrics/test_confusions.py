"""Confusion matrices of the faces that have the labels."""

import numpy as np

from agegender.metrics.confusions import confusions
from agegender.metrics.predictions import Predictions

NAN = np.nan
FACES = Predictions(
    np.array([1.0, 40.0, 20.0, NAN]), np.array([2.0, 40.0, 39.0, NAN]), np.array([0, 1, -1, -1]),
    np.array([12.0, 41.0, 30.0, 5.0]), np.array([0.9, 0.8, 0.1, 0.2]), (0, 26),
)  # fmt: skip


def test_each_matrix_counts_its_own_labels() -> None:
    found = confusions(FACES)
    assert {key: np.sum(matrix["counts"]) for key, matrix in found.items()} == {"age_range": 2, "age_class": 2, "gender": 2}
    assert found["age_class"] == {"names": ["0-25", "26+"], "counts": [[1, 0], [0, 1]]}
    assert found["gender"] == {"names": ["male", "female"], "counts": [[0, 1], [0, 1]]}
    assert found["age_range"]["counts"][0][2] == 1  # a label of 1-2, a prediction of 12
    assert found["age_range"]["names"][2] == "10-19"


def test_without_labels_or_predictions_there_is_no_matrix() -> None:
    assert confusions(FACES[np.array([3])]) == {}
    assert list(confusions(Predictions(FACES.age_low, FACES.age_high, FACES.gender, FACES.age))) == ["age_range"]
