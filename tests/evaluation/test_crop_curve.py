"""The crop curve: metrics at every scale, and the scale to use."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from agegender.evaluation.crop_curve import SCALES, advice, measure_crop_curve, scales_of_curve

N = 200


def faces(best: float, slope: float, noise: float = 1.0, dataset: str = "d", **columns: Any) -> pd.DataFrame:
    """Faces at every scale; the mean error grows with the distance from the best scale."""
    rng = np.random.default_rng(0)
    age, deviation = rng.integers(1, 90, N).astype(float), rng.normal(0, noise, (len(SCALES), N))
    tables = []
    for scale, own in zip(SCALES, deviation, strict=True):
        table = pd.DataFrame({
            "dataset": dataset, "path": [str(i) for i in range(N)], "group": [str(i // 2) for i in range(N)], "age_low": age,
            "age_high": age, "gender": pd.array(np.arange(N) % 2, dtype="Int8"), "race": None, "scale": scale,
            "age_pred": age + 2 + slope * abs(scale - best) + own,
            "probability_female": np.where(np.arange(N) < 20 * abs(scale - best), 0.5, np.arange(N) % 2),
        })  # fmt: skip
        tables.append(table.assign(**columns))
    return pd.concat(tables).sort_values(["path", "scale"], ignore_index=True)


def test_each_scale_has_the_metrics_of_its_own_predictions() -> None:
    found, table = measure_crop_curve(faces(0.6, 10, noise=0), {"d": 1.0})
    curve = found["d"]
    assert curve["n"] == N and curve["scales"] == list(SCALES)
    assert curve["values"]["age_mae"] == pytest.approx([2 + 10 * abs(scale - 0.6) for scale in SCALES])
    assert table["scale"].tolist() == list(SCALES) and table["age_mae"].tolist() == curve["values"]["age_mae"]
    assert curve["metric"] == "age_mae" and curve["recommended"] == curve["best"] == 0.6
    assert curve["gain"] == pytest.approx(4) and curve["gain_ci95"] == pytest.approx([4, 4])
    assert advice("d", curve) == (
        "crop curve of d (200 faces): use data.crop_scale=0.6: MAE 2.00, and 6.00 at 1 (this test); 95% interval of the gain "
        "+4.00 to +4.00"
    )


def test_the_scale_of_the_test_is_kept_if_the_gain_may_be_chance() -> None:
    found, _ = measure_crop_curve(faces(1.0, 0.0), {"d": 1.0})
    curve = found["d"]
    assert curve["best"] != 1 and curve["recommended"] == 1 and curve["gain_ci95"][0] <= 0 < curve["gain"]
    assert advice("d", curve).startswith(
        "crop curve of d (200 faces): keep data.crop_scale=1: no scale is better beyond chance"
    )
    same = measure_crop_curve(faces(1.0, 9.0), {"d": 1.0})[0]["d"]
    assert "keep data.crop_scale=1: MAE 2.0" in advice("d", same) and "the best of the measured scales" in advice("d", same)


@pytest.mark.parametrize(("best", "word"), [(0.3, "smallest"), (1.9, "largest")])
def test_an_end_of_the_curve_is_said_to_be_one(best: float, word: str) -> None:
    curve = measure_crop_curve(faces(best, 9.0), {"d": 1.0})[0]["d"]
    assert advice("d", curve).endswith(f". It is the {word} that was measured: try others beyond it")


def test_ranges_are_decided_by_their_distance_and_unknown_ages_by_gender() -> None:
    ranges = faces(0.8, 9.0).assign(age_high=lambda table: table["age_low"] + 5)
    assert measure_crop_curve(ranges, {"d": 1.0})[0]["d"]["metric"] == "age_distance"
    gender = measure_crop_curve(faces(0.8, 9.0, age_low=np.nan, age_high=np.nan), {"d": 1.0})[0]["d"]
    assert gender["metric"] == "gender_accuracy" and gender["best"] == 0.8
    unknown = faces(0.8, 9.0, age_low=np.nan, age_high=np.nan, gender=pd.array([pd.NA] * N, dtype="Int8"))
    none = measure_crop_curve(unknown, {"d": 1.0})[0]["d"]
    assert "metric" not in none and advice("d", none).endswith("have no labels to choose data.crop_scale by")


def test_each_dataset_has_its_own_scale() -> None:
    both = pd.concat([faces(0.6, 9.0), faces(1.3, 9.0, dataset="e")])
    found, table = measure_crop_curve(both, {"d": 1.0, "e": 1.0})
    assert {name: curve["recommended"] for name, curve in found.items()} == {"d": 0.6, "e": 1.3}
    assert table["dataset"].tolist() == ["d"] * len(SCALES) + ["e"] * len(SCALES)


def test_the_scale_of_the_test_is_measured_too() -> None:
    assert scales_of_curve([0.75, 1.0, 2.0]) == [0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 2.0]
