"""Measures what the numbers of an evaluation cost, apart from the model: the bootstrap, groups, age gate and age intervals.

    python scripts/benchmark_evaluation.py
    python scripts/benchmark_evaluation.py --faces 20000 --groups 60 --resamples 2000 --tables 1000 10000 100000

Predictions are drawn at random. First all metrics of the given number of groups are resampled, with 95% intervals; then whole
tables of predictions are analysed as ``agegender.evaluate`` does it. The memory is the peak of the process so far.
"""

import resource
import time

import numpy as np
import pandas as pd
from measurements import Row, Tables, command

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


def bootstrap(faces: int, groups: int, resamples: int) -> Row:
    """Resamples all metrics of all groups."""
    some = predictions_of(predictions(faces))
    group = np.random.default_rng(1).integers(0, groups, faces)
    cells = [np.flatnonzero(group == number) for number in range(groups)]
    began = time.perf_counter()
    draws = Draws(np.arange(faces), resamples)
    table = MetricTable(some, METRICS)
    table.intervals(cells, table.values(cells), table.drawn(cells, draws), draws)
    seconds = time.perf_counter() - began
    return {
        "metrics": len(table.metrics),
        "faces": faces,
        "groups": groups,
        "resamples": resamples,
        "s": seconds,
        "GB": memory(),
    }


def analysis(faces: int, resamples: int) -> Row:
    """Analyses a table of predictions."""
    table = predictions(faces)
    began = time.perf_counter()
    found = analyse(table, options=Options(resamples=resamples))
    seconds = time.perf_counter() - began
    return {"faces": faces, "rows of groups.csv": len(found.groups), "resamples": resamples, "s": seconds, "GB": memory()}


def memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main() -> None:
    parser = command(__doc__)
    parser.add_argument("--faces", type=int, default=20_000, help="of the bootstrap")
    parser.add_argument("--groups", type=int, default=60, help="of the bootstrap")
    parser.add_argument("--resamples", type=int, default=2000, help="of the bootstrap")
    parser.add_argument("--tables", type=int, nargs="*", default=[1000, 10_000], help="faces of the tables to analyse")
    options = parser.parse_args()
    tables = Tables()
    tables.add("bootstrap", "bootstrap", [bootstrap(options.faces, options.groups, options.resamples)])
    tables.add("analysis", "analysis of a test", [analysis(faces, Options().resamples) for faces in options.tables])
    tables.write(options.json)


if __name__ == "__main__":
    main()
