"""The list of all metrics: the only place that says what a metric is called, what it needs and where it is shown.

``metrics.json``, ``history.csv``, ``monitor=``, ``paper:`` blocks, tables, plots and loggers use these keys. To add a
metric, write its function in a file of this package, add an entry to ``METRICS``, and test it.

Every command reads this list to check its configuration, so it imports nothing heavy.
"""

from collections.abc import Sequence
from typing import get_args

from agegender.metrics.metric import Level, Metric, Need

AGE = Need("age", "age", "age.labelled")
EXACT_AGE = Need("exact_age", "age", "age.exact")
AGE_RANGE = Need("age_range", "age", "ranges.in_one_range")
AGE_CLASS = Need("age_class", "age", "ranges.in_one_class")
AGE_DISTRIBUTION = Need("age_distribution", "age", "distributions.scored")
UNDER_18 = Need("under_18", "age", "gate.minors")
FROM_14_TO_17 = Need("14_to_17", "age", "gate.from_14_to_17")
GENDER = Need("gender", "gender", "gender.labelled")
NEEDS = (EXACT_AGE, AGE, AGE_RANGE, AGE_CLASS, AGE_DISTRIBUTION, UNDER_18, FROM_14_TO_17, GENDER)

METRICS = (
    Metric("loss", "loss", "weighted sum of the tasks' losses", "", "smaller", None, each_epoch=True),
    Metric("age_loss", "age loss", "mean loss of the age head", "", "smaller", AGE, each_epoch=True),
    Metric("gender_loss", "gender loss", "mean loss of the gender head", "", "smaller", GENDER, each_epoch=True),
    Metric(
        "age_mae", "MAE", "mean absolute error of exact ages", "years", "smaller", EXACT_AGE,
        per_face="age.absolute_error", shown="headline", each_epoch=True,
    ),
    Metric(
        "age_distance", "label distance", "mean distance from the nearest age of the label, 0 inside a labelled range", "years",
        "smaller", AGE, per_face="age.distance", shown="headline", each_epoch=True, repeats="age_mae",
    ),
    Metric(
        "age_rmse", "RMSE", "root mean squared error of exact ages", "years", "smaller", EXACT_AGE,
        overall="age.rmse", shown="table", each_epoch=True,
    ),
    Metric(
        "age_median_error", "median error", "median of the absolute errors of exact ages", "years", "smaller", EXACT_AGE,
        overall="age.median_error", shown="summary",
    ),
    Metric(
        "age_balanced_mae", "balanced MAE", "MAE of each decade of exact ages, averaged over the decades", "years", "smaller",
        EXACT_AGE, overall="age.balanced_mae", shown="summary",
    ),
    *(
        Metric(
            f"age_cs{years}", f"CS@{years}", f"share of exact ages with an error of at most {years} year{'s' * (years > 1)}",
            "share", "larger", EXACT_AGE, per_face=f"age.within_{years}", shown="table" if years == 5 else "file",
            each_epoch=years == 5,
        )
        for years in range(1, 16)
    ),
    Metric(
        "age_exact_accuracy", "exact-age accuracy", "share of exact ages that the rounded prediction equals", "share", "larger",
        EXACT_AGE, per_face="age.right_year",
    ),
    Metric(
        "age_bias", "bias", "mean error of exact ages, positive if predictions are too old", "years", "zero", EXACT_AGE,
        per_face="age.error", shown="summary",
    ),
    Metric(
        "age_range_accuracy", "nine-range accuracy", "share in the right one of FairFace's nine age ranges", "share", "larger",
        AGE_RANGE, per_face="ranges.right_range", shown="summary",
    ),
    Metric(
        "age_range_balanced_accuracy", "nine-range balanced accuracy", "nine-range accuracy, averaged over the ranges", "share",
        "larger", AGE_RANGE, overall="ranges.balanced_range_accuracy", shown="summary",
    ),
    Metric(
        "age_range_one_off", "nine-range one-off accuracy", "share in the right one of the nine ranges or a neighbour", "share",
        "larger", AGE_RANGE, per_face="ranges.range_one_off", shown="summary",
    ),
    Metric(
        "age_class_accuracy", "age class accuracy", "share in the right one of the age classes", "share", "larger", AGE_CLASS,
        per_face="ranges.right_class", shown="headline", each_epoch=True,
    ),
    Metric(
        "age_class_error", "age class error", "share in a wrong one of the age classes", "share", "smaller", AGE_CLASS,
        per_face="ranges.wrong_class", each_epoch=True,
    ),
    Metric(
        "age_class_balanced_accuracy", "age class balanced accuracy", "age class accuracy, averaged over the classes", "share",
        "larger", AGE_CLASS, overall="ranges.balanced_class_accuracy", shown="summary",
    ),
    Metric(
        "age_class_one_off", "age class one-off accuracy", "share in the right age class or a neighbour", "share", "larger",
        AGE_CLASS, per_face="ranges.class_one_off", shown="summary",
    ),
    Metric(
        "age_crps", "CRPS", "continuous ranked probability score of the age distribution, exact ages", "years",
        "smaller", AGE_DISTRIBUTION, per_face="distributions.crps_of",
    ),
    Metric(
        "age_minors_passed", "minors passed as 18", "share of faces under 18 years with a predicted age of at least 18",
        "share", "smaller", UNDER_18, per_face="gate.passed_18", shown="table",
    ),
    Metric(
        "age_challenge_25", "Challenge-25 false positives",
        "share of faces of 14 to 17 years with a predicted age of at least 25, as NIST's FATE AEV reports it", "share",
        "smaller", FROM_14_TO_17, per_face="gate.passed_25", shown="summary",
    ),
    Metric(
        "gender_accuracy", "gender accuracy", "share with the labelled gender", "share", "larger", GENDER,
        per_face="gender.right", shown="headline", each_epoch=True,
    ),
    Metric(
        "gender_error", "gender error", "share with the other gender than labelled", "share", "smaller", GENDER,
        per_face="gender.wrong", each_epoch=True,
    ),
    Metric(
        "gender_balanced_accuracy", "gender balanced accuracy", "gender accuracy, averaged over the genders", "share", "larger",
        GENDER, overall="gender.recall", shown="summary",
    ),
    Metric(
        "gender_sensitivity", "gender sensitivity", "share of the faces labelled female that are predicted female", "share",
        "larger", GENDER, overall="gender.recall_female",
    ),
    Metric(
        "gender_specificity", "gender specificity", "share of the faces labelled male that are predicted male", "share",
        "larger", GENDER, overall="gender.recall_male",
    ),
    Metric(
        "gender_auc", "gender ROC-AUC", "area under the ROC curve of the probability of female", "share", "larger", GENDER,
        overall="gender.roc_auc",
    ),
    *(
        Metric(
            f"gender_{name}", f"gender {name}", f"{name} of gender, mean of both classes", "share", "larger", GENDER,
            overall=f"gender.{name}",
        )
        for name in ("precision", "recall", "f1")
    ),
    *(
        Metric(
            f"gender_{name}_{gender}", f"{gender} {name}", f"{name} of {gender}", "share", "larger", GENDER,
            overall=f"gender.{name}_{gender}",
        )
        for name in ("precision", "recall", "f1") for gender in ("female", "male")
    ),
    Metric("latency_ms", "latency", "milliseconds for one image on one CPU thread", "ms", "smaller", None),
)  # fmt: skip
BY_KEY = {metric.key: metric for metric in METRICS}


def shown(level: Level) -> tuple[Metric, ...]:
    """The metrics that are shown at this level or at a higher one."""
    levels = get_args(Level)
    return tuple(metric for metric in METRICS if levels.index(metric.shown) >= levels.index(level))


def monitors(tasks: Sequence[str], classes: bool) -> list[str]:
    """Keys of the metrics that can decide which epoch is best.

    Args:
        tasks: Of the model.
        classes: Whether its age head has classes.
    """
    return [
        metric.key
        for metric in METRICS
        if metric.each_epoch
        and metric.better == "smaller"
        and (metric.needs is None or metric.needs.task in tasks)
        and (metric.needs is not AGE_CLASS or classes)
    ]
