"""Metrics of an epoch: all predictions are kept until its end, over all processes, and measured as a test measures them."""

import math
from collections.abc import Sequence

import numpy as np
import torch
import torchmetrics
from torch import Tensor
from torchmetrics.utilities import dim_zero_cat

from agegender.metrics.measure import counts, measure
from agegender.metrics.predictions import Predictions
from agegender.metrics.registry import METRICS

COLUMNS = 6  # of a face: predicted age, lower and upper end of the label, probability of female, gender, data set


class EpochMetrics(torchmetrics.Metric):
    """Keeps 24 bytes a face from `reset` to `compute`; each face counts once.

    An update does not wait for the device; `compute` does, once an epoch.

    Args:
        tasks: Of ``age`` and ``gender``, those that are predicted.
        datasets: Names of the data sets that the faces are from. Several of them are also measured one by one.
        classes: First year of each age class, if the age head has classes.
    """

    full_state_update = False
    faces: list[Tensor]  # flat, so that torchmetrics can join them with those of a process that has no faces

    def __init__(self, tasks: Sequence[str], datasets: Sequence[str] = ("",), classes: Sequence[float] = ()) -> None:
        super().__init__()
        self.tasks, self.datasets, self.classes = tuple(tasks), tuple(datasets), tuple(classes)
        self.add_state("faces", [], dist_reduce_fx="cat")

    def update(
        self,
        age: Tensor | None,
        age_low: Tensor,
        age_high: Tensor,
        female: Tensor | None,
        gender: Tensor,
        dataset: Tensor | None = None,
    ) -> None:
        """Adds one batch.

        Args:
            age: Predicted age in years, [B]; None if age is not a task.
            age_low: Lower end of the label in years, [B]; NaN where unknown.
            age_high: Upper end, [B]; equal to `age_low` for an exact age.
            female: Predicted probability of female in 0..1, [B]; None if gender is not a task.
            gender: Label, [B], 0 = male, 1 = female, -1 where unknown.
            dataset: Index of each face's data set in `datasets`, [B]; None if there is one.
        """
        nothing = torch.zeros_like(age_low)
        columns = (age, age_low, age_high, female, gender, dataset)
        rows = torch.stack([nothing if column is None else column.detach().float() for column in columns], dim=1)
        self.faces.append(rows.flatten())

    def compute(self) -> dict[str, float]:
        """The metrics of ``METRICS`` that are measured after each epoch, by key.

        A metric without any labelled face is left out. A metric of predictions that are not finite is NaN. With several
        data sets, the metrics of each follow as ``utkface/age_mae``.
        """
        kept = dim_zero_cat(self.faces) if len(self.faces) else torch.zeros(0)
        age, low, high, female, gender, dataset = kept.cpu().numpy().astype(np.float64).reshape(-1, COLUMNS).T
        every = Predictions(low, high, gender.astype(np.int64), age if "age" in self.tasks else None,
                            female if "gender" in self.tasks else None, self.classes)  # fmt: skip
        found = self._measured(every)
        if len(self.datasets) > 1:
            for number, name in enumerate(self.datasets):
                found |= {f"{name}/{key}": value for key, value in self._measured(every[dataset == number]).items()}
        return found

    def _measured(self, faces: Predictions) -> dict[str, float]:
        values, labels = measure(faces, [metric for metric in METRICS if metric.each_epoch]), counts(faces)
        unlabelled = {metric.key for metric in METRICS if metric.needs and not labels.get(f"n_{metric.needs.key}")}
        # With labels, a metric of an epoch is None only if predictions are not finite.
        return {key: math.nan if value is None else value for key, value in values.items() if key not in unlabelled}
