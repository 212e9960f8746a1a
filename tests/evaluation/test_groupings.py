"""How faces are divided into groups, also where labels are missing."""

import numpy as np
import pandas as pd

from agegender.evaluation.groupings import by_decade, groupings
from agegender.evaluation.measured_faces import predictions_of

FACES = pd.DataFrame({
    "dataset": pd.array(["a", "a", "b", "b", "b", "b"], dtype="string"),
    "age_low": [5.0, 12.0, 71.0, 70.0, 8.0, np.nan],
    "age_high": [5.0, 19.0, 71.0, 116.0, 12.0, np.nan],
    "gender": pd.array([1, 0, 1, None, 0, 1], dtype="Int8"),
    "race": pd.array(["White", "Black", "White", "=Asian", None, "Black"], dtype="string"),
})  # fmt: skip


def test_faces_are_divided_by_labels_and_their_combinations() -> None:
    found = {
        one.kind: {name: cell.tolist() for name, cell in zip(one.names, one.cells, strict=True)} for one in all_groups(FACES)
    }
    assert found == {
        "gender": {"male": [1, 4], "female": [0, 2, 5]},
        "race": {"=Asian": [3], "Black": [1, 5], "White": [0, 2]},
        "age_band": {"3-9": [0], "10-19": [1], "70+": [2, 3]},  # 8 to 12 lies in two ranges
        "race_gender": {"Black male": [1], "Black female": [5], "White female": [0, 2]},
        "age_band_gender": {"3-9 female": [0], "10-19 male": [1], "70+ female": [2]},
        "age_band_race": {"3-9 White": [0], "10-19 Black": [1], "70+ =Asian": [3], "70+ White": [2]},
        "age_band_race_gender": {"3-9 White female": [0], "10-19 Black male": [1], "70+ White female": [2]},
        "dataset": {"a": [0, 1], "b": [2, 3, 4, 5]},
    }
    assert list(found["age_band"]) == ["3-9", "10-19", "70+"] and list(found["gender"]) == ["male", "female"]


def all_groups(faces: pd.DataFrame) -> list:
    return groupings(faces, predictions_of(faces))


def test_without_a_race_column_or_any_label_there_are_no_such_groups() -> None:
    some = {one.kind: one.names for one in all_groups(FACES.drop(columns="race"))}
    assert some["race"] == some["race_gender"] == some["age_band_race_gender"] == []
    assert some["age_band_gender"] == ["3-9 female", "10-19 male", "70+ female"]
    unknown = FACES.assign(age_low=np.nan, age_high=np.nan, gender=pd.array([None] * 6, dtype="Int8"), dataset="a", race=pd.NA)
    assert [one.names for one in all_groups(unknown)] == [[]] * 7


def test_one_gender_only_is_one_group() -> None:
    women = FACES.assign(gender=pd.array([1] * 6, dtype="Int8"))
    assert all_groups(women)[0].names == ["female"]


def test_decades_are_those_of_exact_ages_youngest_first() -> None:
    decades = by_decade(predictions_of(FACES.assign(age_low=[5, 12, 71, 116, 8, 19.9], age_high=[5, 19, 71, 116, 12, 19.9])))
    assert decades.names == ["0-9", "10-19", "70-79", "110-119"]
    assert [cell.tolist() for cell in decades.cells] == [[0], [5], [2], [3]]
    assert by_decade(predictions_of(FACES.assign(age_low=np.nan, age_high=np.nan))).names == []
