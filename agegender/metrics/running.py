"""Age and gender figures of an epoch, from running sums."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from agegender.metrics.ranges import borders

AGE_SUMS = ("labelled", "distance", "exact", "error", "squared_error", "within_5", "one_class", "right_class")
GENDER_SUMS = ("labelled", "right")


class RunningMetrics(Metric):
    """Sums over the faces seen since `reset`, of all processes together; each face counts once.

    An update copies nothing to the CPU, so it does not wait for the device; `compute` does, once an epoch.

    Args:
        datasets: names of the data sets that the faces are from; with several, each gets figures of its own too.
        classes: first year of each age class, of a head that tells classes apart.
    """

    full_state_update = False
    age: Tensor
    gender: Tensor
    borders: Tensor

    def __init__(self, datasets: Sequence[str] = ("",), classes: Sequence[float] = ()) -> None:
        super().__init__()
        self.register_buffer("borders", torch.tensor(borders(classes), dtype=torch.float32), persistent=False)
        self.datasets = tuple(datasets)
        # One tensor a task, so that an update is one addition and processes exchange few tensors.
        self.add_state("age", torch.zeros(len(AGE_SUMS), len(self.datasets)), dist_reduce_fx="sum")
        self.add_state("gender", torch.zeros(len(GENDER_SUMS), len(self.datasets)), dist_reduce_fx="sum")

    def update(
        self,
        age_pred: Tensor | None,
        age_low: Tensor,
        age_high: Tensor,
        probability_female: Tensor | None,
        gender: Tensor,
        dataset: Tensor | None = None,
    ) -> None:
        """Add one batch.

        Args:
            age_pred: predicted ages in years, [B]; None when age is not a task.
            age_low: lower end of the labels in years, [B]; NaN where unknown.
            age_high: upper end, [B]; equal to `age_low` for an exact age.
            probability_female: [B], above 0.5 is read as female; None when gender is not a task.
            gender: [B], 0 = male, 1 = female, -1 unknown.
            dataset: [B], number of each face's data set in `datasets`; None when there is one.
        """
        numbers = torch.arange(len(self.datasets), device=gender.device)
        member = (torch.zeros_like(gender) if dataset is None else dataset)[:, None] == numbers
        if age_pred is not None:
            known = ~age_low.isnan()
            exact = age_low == age_high
            distance = torch.where(known, (age_low - age_pred).relu() + (age_pred - age_high).relu(), 0.0)
            error = torch.where(exact, distance, 0.0)
            hit = exact & (error <= 5)
            one_class = right_class = torch.zeros_like(known)
            if len(self.borders):
                ages = age_low, age_high, age_pred.float()
                youngest, oldest, guess = (torch.bucketize(age, self.borders, right=True) for age in ages)
                one_class = known & (youngest == oldest)
                right_class = one_class & (guess == youngest)
            sums = known, distance, exact, error, error.square(), hit, one_class, right_class
            faces = torch.stack([part.float() for part in sums])
            self.age = self.age + (faces[:, :, None] * member).sum(1)  # no matrix product: autocast would round it
        if probability_female is not None:
            known = gender >= 0
            right = known & ((probability_female > 0.5) == (gender > 0))
            self.gender = self.gender + (torch.stack((known, right))[:, :, None] & member).sum(1)

    def compute(self) -> dict[str, Tensor]:
        """Mean figures: `age_distance`; over exact ages `age_mae`, `age_rmse`, `age_cs5`; `gender_accuracy`, `gender_error`.

        With age classes also `age_class_accuracy` and `age_class_error`, over labels that lie in one class.

        A figure without any labelled face is left out. With several data sets the same follows for each of them, as
        `utkface/age_mae`.
        """
        figures = _figures(self.age.sum(1), self.gender.sum(1))
        if len(self.datasets) > 1:
            for number, name in enumerate(self.datasets):
                own = _figures(self.age[:, number], self.gender[:, number])
                figures |= {f"{name}/{figure}": value for figure, value in own.items()}
        return figures


def _figures(age_sums: Tensor, gender_sums: Tensor) -> dict[str, Tensor]:
    age = dict(zip(AGE_SUMS, age_sums, strict=True))
    gender = dict(zip(GENDER_SUMS, gender_sums, strict=True))
    figures = {}
    if age["labelled"] > 0:
        figures["age_distance"] = age["distance"] / age["labelled"]
    if age["exact"] > 0:
        figures["age_mae"] = age["error"] / age["exact"]
        figures["age_rmse"] = (age["squared_error"] / age["exact"]).sqrt()
        figures["age_cs5"] = age["within_5"] / age["exact"]
    if age["one_class"] > 0:
        figures["age_class_accuracy"] = age["right_class"] / age["one_class"]
        figures["age_class_error"] = 1 - figures["age_class_accuracy"]
    if gender["labelled"] > 0:
        figures["gender_accuracy"] = gender["right"] / gender["labelled"]
        figures["gender_error"] = 1 - figures["gender_accuracy"]  # smaller is better, as a monitor must be
    return figures
