"""How often the estimate of gender is the label that people gave."""

import numpy as np

from agegender.evaluation.report.confusion_chart import confusion_chart
from agegender.evaluation.report.metric_table import metric_table
from agegender.evaluation.report.section import Evidence, Section
from agegender.metrics.registry import GENDER, METRICS

TEXT = (
    "Gender labels are binary and assigned by appearance, partly by models. The estimate says how a face looks to others; it "
    "does not know a person's gender."
)


def section(evidence: Evidence) -> Section | None:
    """Metrics and confusion matrix of gender."""
    values = evidence.values
    if not values.get("n_gender"):
        return None
    matrix = values["confusions"][GENDER.key]
    charts = [confusion_chart("gender", "Gender, by appearance", matrix["names"], np.asarray(matrix["counts"]))]
    metrics = [metric for metric in METRICS if metric.needs is GENDER and metric.key != "gender_error"]
    table = metric_table("gender-metrics", "Metrics of gender", metrics, values, evidence.metrics.get("baseline") or {})
    note = "The baseline predicts the more frequent gender of the training faces for everybody."
    return Section("gender", "Gender", [TEXT], charts, [table], [note])
