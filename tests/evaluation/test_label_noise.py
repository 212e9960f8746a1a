"""The list of suspicious faces, in the form that training can exclude."""

from pathlib import Path

import numpy as np
import pandas as pd

from agegender.data.exclude import without_excluded
from agegender.evaluation.label_noise import suspicious_faces
from agegender.runs.run_directory import RunDirectory
from agegender.sources.faces import FaceTable


def faces(count: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    age, gender = rng.uniform(10, 60, count).round(), rng.integers(0, 2, count)
    return pd.DataFrame({
        "dataset": "own", "path": [f"{number}.jpg" for number in range(count)], "age_low": age, "age_high": age,
        "gender": pd.array(gender, dtype="Int8"), "age_pred": age + rng.normal(0, 3, count),
        "probability_female": np.where(gender == 1, 0.9, 0.1) + rng.uniform(-0.08, 0.08, count),
    })  # fmt: skip


def test_the_least_plausible_labels_come_first_with_label_and_prediction() -> None:
    some = faces()
    some.loc[7, ["age_low", "age_high"]] = 115.0
    some.loc[9, "gender"] = 1 - some.loc[9, "gender"]
    found, counts = suspicious_faces(some)
    assert found["path"][0] == "own/7.jpg" and found["quality"].is_monotonic_increasing
    age, gender = (found.set_index("path").loc[f"own/{number}.jpg"] for number in (7, 9))
    assert (age["label"], age["labelled_age"], age["age_pred"]) == ("age", "115", some["age_pred"][7])
    assert gender["label"] == "gender" and gender["labelled_gender"] in ("male", "female")
    assert counts["gender"] == 1 and counts["n"] == len(found) <= 5


def test_a_model_of_one_task_and_one_face_give_an_answer() -> None:
    assert suspicious_faces(faces().drop(columns="age_pred"))[1]["age"] == 0
    assert suspicious_faces(faces().drop(columns="probability_female"))[1]["gender"] == 0
    assert suspicious_faces(faces(1))[1] == {"n": 0, "age": 0, "gender": 0}


def test_training_can_exclude_the_list(tmp_path: Path) -> None:
    some = faces()
    some.loc[7, ["age_low", "age_high"]] = 115.0
    run = RunDirectory(tmp_path)
    run.write_suspicious(suspicious_faces(some)[0])
    table = FaceTable.of("own", Path("/own"), {"path": some["path"], "split": ["train"] * len(some)})
    assert "own/7.jpg" not in without_excluded(table, run.suspicious).names()
