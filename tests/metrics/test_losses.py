"""Losses of an epoch: means over labelled faces, not over batches."""

import pytest
import torch

from agegender.metrics.losses import RunningLosses


def test_a_mean_over_faces_of_all_batches_and_none_of_the_last_epoch() -> None:
    losses = RunningLosses(["age", "gender"])
    losses.update(
        {"age": torch.tensor(100.0), "gender": torch.tensor(1.0)}, {"age": torch.tensor(1), "gender": torch.tensor(1)}
    )
    losses.reset()
    for age, gender, n_age, n_gender in (6.0, 1.0, 3, 2), (4.0, 0.5, 1, 4):
        sums = {"age": torch.tensor(age, requires_grad=True), "gender": torch.tensor(gender)}
        losses.update(sums, {"age": torch.tensor(n_age), "gender": torch.tensor(n_gender)})
    found = losses.compute()
    assert {task: float(value) for task, value in found.items()} == pytest.approx({"age": 10 / 4, "gender": 1.5 / 6})
    assert not found["age"].requires_grad


def test_a_task_without_labels_has_loss_zero() -> None:
    losses = RunningLosses(["age"])
    losses.update({"age": torch.tensor(0.0)}, {"age": torch.tensor(0)})
    assert losses.compute() == {"age": 0}
