"""CPU time, memory and size of the report of generated predictions: all metrics of a test, then the page with its files.

python scripts/benchmark_report.py --faces 1000 10000 100000
"""

import resource
import tempfile
from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd
from measurements import Row, Tables, command

from agegender.evaluation.analysis import analyse
from agegender.evaluation.report.section import Evidence
from agegender.evaluation.report.writing import write_report
from agegender.runs.run_directory import RunDirectory

RACES = ["Asian", "Black", "Indian", "Others", "White"]


def predictions(n: int) -> pd.DataFrame:
    """N faces with exact ages, five races, and an error of five years."""
    rng = np.random.default_rng(0)
    age, gender = rng.integers(1, 90, n).astype(float), rng.integers(0, 2, n)
    return pd.DataFrame({
        "path": [f"{number}.jpg" for number in range(n)],
        "dataset": "faces",
        "age_low": age,
        "age_high": age,
        "gender": pd.array(gender, "Int8"),
        "race": pd.array(rng.choice(RACES, n), "string"),
        "group": [f"faces/{number}.jpg" for number in range(n)],
        "split": "test",
        "age_pred": np.clip(age + rng.normal(0, 6, n), 0, 116),
        "probability_female": np.clip(gender + rng.normal(0, 0.3, n), 0, 1),
    })  # fmt: skip


def main() -> None:
    parser = command(__doc__)
    parser.add_argument("--faces", type=int, nargs="+", default=[1000, 10_000, 100_000])
    arguments = parser.parse_args()
    rows: list[Row] = []
    for n in arguments.faces:
        faces = predictions(n)
        start = process_time()
        measured = analyse(faces).metrics
        middle = process_time()
        metrics = {"tested": "test", "split": {"name": "generated", "sha256": "-"}, "test": measured}
        with tempfile.TemporaryDirectory() as folder:
            run = RunDirectory(Path(folder))
            write_report(run, Evidence("generated", metrics, faces, {"faces": "generated"}))
            end = process_time()
            page = run.report.stat().st_size
            figures = sum(file.stat().st_size for file in run.figures.iterdir())
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        rows.append({"faces": n, "metrics, s": middle - start, "report, s": end - middle, "page, kB": page / 1e3,
                     "figures, kB": figures / 1e3, "peak memory, GB": memory})  # fmt: skip
    tables = Tables()
    tables.add("report", "CPU time, size and memory of a report", rows)
    tables.write(arguments.json)


if __name__ == "__main__":
    main()
