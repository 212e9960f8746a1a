"""Measures what the numbers of an evaluation cost, apart from the model: the bootstrap, groups, age gate and age intervals.

    python scripts/benchmark_evaluation.py
    python scripts/benchmark_evaluation.py --faces 20000 --groups 60 --resamples 2000 --tables 1000 10000 100000

Predictions are drawn at random. First all metrics of the given number of groups are resampled, with 95% intervals; then whole
tables of predictions are analysed as ``agegender.evaluate`` does it. The memory is the peak of the process so far.
"""

import argparse
import resource
import time

import numpy as np
import pandas as pd

from agegender.evaluation.analysis import analyse
from agegender.evaluation.measured_faces import predictions_of
from agegender.evaluation.options import Options
from agegender.metrics.distributions import summary_columns
from agegender.metrics.registry import METRICS
from agegender.metrics.resampling import Draws, MetricTable

RACES = ("Asian", "Black", "Indian", "Others", "White")


def predictions(faces: int) -> pd.DataFrame:
    """A table of predictions of a model with an error of about 5 years."""
    rng, years = np.random.default_rng(0), np.arange(117)
    age, gender = rng.integers(0, 100, faces).astype(float), rng.integers(0, 2, faces)
    center = (age + rng.normal(0, 6, faces)).clip(0, 116)
    table = {
        "path": [f"{number}.jpg" for number in range(faces)], "dataset": "drawn", "age_low": age, "age_high": age,
        "gender": pd.array(gender, dtype="Int8"), "race": rng.choice(RACES, faces),
        "group": [f"{number}" for number in range(faces)], "age_pred": center,
        "probability_female": 1 / (1 + np.exp(rng.normal(0, 2, faces) - 6 * (gender - 0.5))),
    }  # fmt: skip
    blocks = []
    for start in range(0, faces, 5000):
        own = slice(start, start + 5000)
        weights = np.exp(-((years - center[own, None]) ** 2) / 72)
        weights /= weights.sum(axis=1, keepdims=True)
        blocks.append(pd.DataFrame(summary_columns(weights, 0, age[own], age[own])))
    return pd.concat([pd.DataFrame(table), pd.concat(blocks, ignore_index=True)], axis=1)


def bootstrap(faces: int, groups: int, resamples: int) -> None:
    """Resamples all metrics of all groups and prints the time."""
    some = predictions_of(predictions(faces))
    group = np.random.default_rng(1).integers(0, groups, faces)
    cells = [np.flatnonzero(group == number) for number in range(groups)]
    began = time.perf_counter()
    draws = Draws(np.arange(faces), resamples)
    table = MetricTable(some, METRICS)
    table.intervals(cells, table.values(cells), table.drawn(cells, draws), draws)
    seconds = time.perf_counter() - began
    print(f"bootstrap: {len(table.metrics)} metrics, {faces:,} faces, {groups} groups, {resamples:,} resamples: "
          f"{seconds:.1f} s, {memory()}")  # fmt: skip


def analysis(faces: int, resamples: int) -> None:
    """Analyses a table and prints the time."""
    table = predictions(faces)
    began = time.perf_counter()
    found = analyse(table, options=Options(resamples=resamples))
    seconds = time.perf_counter() - began
    print(f"analysis:  {faces:,} faces, {len(found.groups):,} rows of groups.csv, {resamples:,} resamples: {seconds:.1f} s, "
          f"{memory()}")  # fmt: skip


def memory() -> str:
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=20_000, help="of the bootstrap")
    parser.add_argument("--groups", type=int, default=60, help="of the bootstrap")
    parser.add_argument("--resamples", type=int, default=2000, help="of the bootstrap")
    parser.add_argument("--tables", type=int, nargs="*", default=[1000, 10_000], help="faces of the tables to analyse")
    options = parser.parse_args()
    bootstrap(options.faces, options.groups, options.resamples)
    for faces in options.tables:
        analysis(faces, Options().resamples)


if __name__ == "__main__":
    main()
