"""Age and gender figures of an epoch, from running sums."""

import torch
from torch import Tensor
from torchmetrics import Metric

AGE_SUMS = ("labelled", "distance", "exact", "error", "squared_error", "within_5")
GENDER_SUMS = ("labelled", "right")


class RunningMetrics(Metric):
    """Sums over the faces seen since `reset`, of all processes together; each face counts once.

    An update copies nothing to the CPU, so it does not wait for the device; `compute` does, once an epoch.
    """

    full_state_update = False
    age: Tensor
    gender: Tensor

    def __init__(self) -> None:
        super().__init__()
        # One tensor a task, so that an update is one addition and processes exchange few tensors.
        self.add_state("age", torch.zeros(len(AGE_SUMS)), dist_reduce_fx="sum")
        self.add_state("gender", torch.zeros(len(GENDER_SUMS)), dist_reduce_fx="sum")

    def update(
        self,
        age_pred: Tensor | None,
        age_low: Tensor,
        age_high: Tensor,
        probability_female: Tensor | None,
        gender: Tensor,
    ) -> None:
        """Add one batch.

        Args:
            age_pred: predicted ages in years, [B]; None when age is not a task.
            age_low: lower end of the labels in years, [B]; NaN where unknown.
            age_high: upper end, [B]; equal to `age_low` for an exact age.
            probability_female: [B], above 0.5 is read as female; None when gender is not a task.
            gender: [B], 0 = male, 1 = female, -1 unknown.
        """
        if age_pred is not None:
            known = ~age_low.isnan()
            exact = age_low == age_high
            distance = torch.where(known, (age_low - age_pred).relu() + (age_pred - age_high).relu(), 0.0)
            error = torch.where(exact, distance, 0.0)
            hit = exact & (error <= 5)
            self.age = self.age + torch.stack(
                (known.sum(), distance.sum(), exact.sum(), error.sum(), error.square().sum(), hit.sum())
            )
        if probability_female is not None:
            known = gender >= 0
            right = known & ((probability_female > 0.5) == (gender > 0))
            self.gender = self.gender + torch.stack((known.sum(), right.sum()))

    def compute(self) -> dict[str, Tensor]:
        """Mean figures: `age_distance`, and over exact ages `age_mae`, `age_rmse`, `age_cs5`; `gender_accuracy`, `gender_error`.

        A figure without any labelled face is left out.
        """
        age = dict(zip(AGE_SUMS, self.age, strict=True))
        gender = dict(zip(GENDER_SUMS, self.gender, strict=True))
        figures = {}
        if age["labelled"] > 0:
            figures["age_distance"] = age["distance"] / age["labelled"]
        if age["exact"] > 0:
            figures["age_mae"] = age["error"] / age["exact"]
            figures["age_rmse"] = (age["squared_error"] / age["exact"]).sqrt()
            figures["age_cs5"] = age["within_5"] / age["exact"]
        if gender["labelled"] > 0:
            figures["gender_accuracy"] = gender["right"] / gender["labelled"]
            figures["gender_error"] = 1 - figures["gender_accuracy"]  # smaller is better, as a monitor must be
        return figures
