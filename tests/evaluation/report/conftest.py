"""Tests of a model that never was: generated labels and predictions."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from agegender.evaluation.analysis import analyse
from agegender.evaluation.options import Options
from agegender.evaluation.report.section import Evidence
from agegender.evaluation.results import baseline

Make = Callable[..., Evidence]
QUANTILES = ("025", "05", "10", "25", "75", "90", "95", "975")


def generate(n: int, seed: int = 0) -> pd.DataFrame:
    """N faces with exact ages; predictions are drawn towards 40 years."""
    rng = np.random.default_rng(seed)
    age, gender = rng.integers(1, 90, n).astype(float), rng.integers(0, 2, n)
    return pd.DataFrame(
        {
            "path": [f"{number}.jpg" for number in range(n)],
            "dataset": "faces",
            "age_low": age,
            "age_high": age,
            "gender": pd.array(gender, "Int8"),
            "race": rng.choice(["Asian", "Black", "Indian", "White"], n),
            "group": [f"faces/{number}.jpg" for number in range(n)],
            "split": "test",
            "age_pred": np.clip(0.85 * age + 6 + rng.normal(0, 5, n), 0, 100),
            "probability_female": np.clip(gender + rng.normal(0, 0.3, n), 0, 1),
        }
    )


def measured(faces: pd.DataFrame, classes: tuple[int, ...] = (), **more: Any) -> Evidence:
    """The evidence of these faces and predictions."""
    metrics = {
        "tested": "test",
        "split": {"name": "random 80/10/10 seed 0", "sha256": "ab" * 32, "content_sha256": "cd" * 32},
        "age_classes": list(classes),
        "test": analyse(faces, classes, options=Options(resamples=100)).metrics,
        "baseline": baseline(faces, faces),
        "train": {"n": 1000, "epoch": 3},
    }
    values: dict[str, Any] = {
        "metrics": metrics,
        "faces": faces,
        "config": {"image_size": 64, "backbone": {"_target_": "a.CustomCNN"}, "head": {"_target_": "a.DLDL"}},
        "model": {"parameters": 1234, "flops": 5678},
        "versions": {"agegender": "0.1.0", "git": "0123abc"},
        "licenses": {"faces": "free for any use"},
        "name": "model",
    }
    return Evidence(**(values | more))


@pytest.fixture(scope="session")
def estimated() -> pd.DataFrame:
    """600 faces; copy before you change them."""
    return generate(600)


@pytest.fixture(scope="session")
def with_distribution(estimated: pd.DataFrame) -> pd.DataFrame:
    """The same faces, estimated by a head with a distribution over ages: normal with a deviation of 6 years."""
    more = {f"age_q{name}": estimated["age_pred"] + 6 * norm.ppf(float(f"0.{name}")) for name in QUANTILES}
    more |= {f"probability_under_{age}": norm.cdf((age - estimated["age_pred"]) / 6) for age in (18, 21)}
    place = (estimated["age_low"] - estimated["age_pred"]) / 6
    return estimated.assign(
        **more, age_crps=(estimated["age_pred"] - estimated["age_low"]).abs() * 0.7,
        age_pit_low=norm.cdf(place - 1 / 12), age_pit_high=norm.cdf(place + 1 / 12),
    )  # fmt: skip


@pytest.fixture(scope="session")
def evidence(estimated: pd.DataFrame) -> Evidence:
    return measured(estimated)


@pytest.fixture(scope="session")
def make_faces() -> Callable[..., pd.DataFrame]:
    return generate


@pytest.fixture(scope="session")
def make_evidence() -> Make:
    return measured
