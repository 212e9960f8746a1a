"""Robustness: every corruption at every level, with the metrics of the registry."""

import numpy as np
import pandas as pd
import pytest

from agegender.data.corruptions import CORRUPTIONS, Corrupted
from agegender.evaluation.robustness import measure_robustness


def faces(errors: list[float]) -> pd.DataFrame:
    age = np.array([20.0, 30.0, 40.0])
    return pd.DataFrame({
        "dataset": "d", "path": list("abc"), "age_low": age, "age_high": age, "gender": pd.array([0, 1, 1], dtype="Int8"),
        "race": None, "group": "", "age_pred": age + errors, "probability_female": [0.1, 0.9, 0.2],
    })  # fmt: skip


def test_each_level_has_the_metrics_of_its_own_predictions() -> None:
    asked: list[Corrupted] = []

    def predict(corrupted: Corrupted) -> pd.DataFrame:
        asked.append(corrupted)
        return faces([float(len(asked))] * 3)

    record, table = measure_robustness(faces([1.0, -1.0, 0.0]), predict)
    assert [(one.kind, one.level) for one in asked] == [(k, level) for k, c in CORRUPTIONS.items() for level in c.levels]
    assert record["clean"]["age_mae"] == pytest.approx(2 / 3)
    maes = [mae for one in record["corruptions"].values() for mae in one["values"]["age_mae"]]
    assert maes == [float(number) for number in range(1, len(asked) + 1)]
    assert table["age_mae"].tolist() == pytest.approx([2 / 3, *maes]) and (table["n"] == 3).all()
    assert table["corruption"].iloc[0] == "none" and set(table["corruption"][1:]) == set(CORRUPTIONS)
    assert record["corruptions"]["looser"]["artificial"] is True
