"""What a finished search leaves: the importance of each parameter, and pictures of the study."""

import csv
import warnings
from pathlib import Path

import matplotlib
from optuna import Study
from optuna.exceptions import ExperimentalWarning
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState
from optuna.visualization import matplotlib as pictures

IMPORTANCE = "importance.csv"
FEWEST = 4  # complete trials, below which an importance says nothing


def write_importance(study: Study, sweep: Path) -> dict[str, float]:
    """Writes ``importance.csv``: the share of each parameter in the differences between good and other trials.

    Measured by PED-ANOVA (Watanabe et al., 2023).

    Args:
        study: With its trials.
        sweep: The sweep directory.

    Returns:
        The importance of each parameter, largest first, with the sum 1; empty if the trials are too few or all equal.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < FEWEST or len({trial.value for trial in complete}) < 2:
        return {}
    importance = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    with (sweep / IMPORTANCE).open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("parameter", "importance"))
        table.writerows(importance.items())
    return importance


def draw(study: Study, sweep: Path, monitor: str) -> None:
    """Draws ``history.png`` and ``parallel_coordinates.png``.

    Args:
        study: With at least one complete trial.
        sweep: The sweep directory.
        monitor: Name of the score.
    """
    matplotlib.use("Agg")  # a picture in a file; there may be no screen
    from matplotlib import pyplot

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        for name, plot in (
            ("history", pictures.plot_optimization_history), ("parallel_coordinates", pictures.plot_parallel_coordinate)
        ):  # fmt: skip
            plot(study, target_name=monitor)  # draws into the current figure of pyplot
            pyplot.savefig(sweep / f"{name}.png", dpi=120, bbox_inches="tight")
            pyplot.close()
