"""Metrics of an epoch against scikit-learn and against the metrics of a test: batches, processes, data sets, missing labels."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, mean_absolute_error, root_mean_squared_error

from agegender.metrics.epoch import EpochMetrics
from agegender.metrics.measure import measure
from agegender.metrics.predictions import Predictions

NAN = math.nan
BOTH = ("age", "gender")


def faces(n, seed=0):
    """Predictions and labels: a third exact, a third ranges, a third unknown; a fifth without gender."""
    random = np.random.default_rng(seed)
    low = random.integers(0, 80, n).astype(np.float32)
    high = low + np.where(random.random(n) < 0.5, 0, 9).astype(np.float32)
    unknown = random.random(n) < 1 / 3
    low[unknown] = high[unknown] = NAN
    pred = random.uniform(0, 90, n).astype(np.float32)
    gender = np.where(random.random(n) < 0.2, -1, random.integers(0, 2, n))
    return [torch.from_numpy(column) for column in (pred, low, high, random.random(n).astype(np.float32), gender)]


def references(pred, low, high, female, gender):
    exact, known = (low == high).numpy(), (gender >= 0).numpy()
    accuracy = accuracy_score(gender.numpy()[known], female.numpy()[known] > 0.5)
    age, years = low.numpy()[exact], pred.numpy()[exact]
    labelled = ~low.isnan()
    outside = torch.maximum(low - pred, pred - high).clamp(min=0)[labelled]
    return {
        "age_mae": mean_absolute_error(age, years),
        "age_rmse": root_mean_squared_error(age, years),
        "age_cs5": float((np.abs(age.astype(float) - years) <= 5).mean()),
        "age_distance": outside.double().mean().item(),
        "gender_accuracy": accuracy,
        "gender_error": 1 - accuracy,
    }


def assert_equal(found, expected):
    """The expected metrics have these values; others may have been measured, too."""
    assert {key: found[key] for key in expected} == pytest.approx(expected, rel=1e-5)


def test_uneven_batches_equal_scikit_learn():
    columns = faces(1000)
    metric = EpochMetrics(BOTH)
    for batch in zip(*(torch.split(column, 77) for column in columns), strict=True):
        metric.update(*batch)
    assert_equal(metric.compute(), references(*columns))


def test_an_epoch_does_not_count_the_faces_of_the_last_one():
    metric = EpochMetrics(BOTH)
    metric.update(*faces(100, seed=1))
    metric.compute()
    metric.reset()
    columns = faces(100, seed=2)
    metric.update(*columns)
    assert_equal(metric.compute(), references(*columns))


def test_a_metric_without_labels_is_left_out():
    pred, low, high, female, gender = faces(50)
    nothing, nobody = torch.full((50,), NAN), torch.full((50,), -1)

    def keys(tasks, *batch):
        metric = EpochMetrics(tasks)
        metric.update(*batch)
        return set(metric.compute())

    every = keys(BOTH, pred, low, high, female, gender)
    ages = {key for key in every if key.startswith("age_")}
    assert {"age_mae", "age_rmse", "age_cs5", "age_distance"} <= ages < every
    assert keys(["age"], pred, low, high, None, gender) == ages
    assert keys(BOTH, pred, low, high, female, nobody) == ages
    assert keys(["gender"], None, low, high, female, gender) == every - ages
    assert keys(BOTH, pred, nothing, nothing, female, gender) == every - ages
    ranges = keys(["age"], pred, torch.zeros(50), torch.full((50,), 9.0), None, gender)
    assert "age_distance" in ranges and not {"age_mae", "age_rmse", "age_cs5"} & ranges
    assert keys(BOTH, pred, nothing, nothing, female, nobody) == set()
    assert keys(BOTH, *(column[:0] for column in (pred, low, high, female, gender))) == set()


def test_an_error_of_5_years_counts_in_cs5_and_a_probability_of_one_half_is_male():
    metric = EpochMetrics(BOTH)
    ages = torch.full((4,), 30.0)
    metric.update(torch.tensor([35.0, 25.0, 35.01, 30.0]), ages, ages, torch.full((4,), 0.5), torch.tensor([0, 0, 1, -1]))
    assert metric.compute()["age_cs5"] == 0.75
    assert metric.compute()["gender_accuracy"] == pytest.approx(2 / 3)


def test_a_reset_in_inference_mode_does_not_forbid_later_updates():
    metric = EpochMetrics(BOTH)
    with torch.inference_mode():
        metric.update(*faces(10))
        metric.compute()
        metric.reset()
    pred, *rest = faces(10)
    metric.update(pred.requires_grad_(), *rest)
    assert not any(rows.requires_grad for rows in metric.faces)
    assert "age_mae" in metric.compute()


def test_what_is_kept_does_not_share_memory_with_the_batch():
    """Workers hand over batches in shared memory: each one that is held on to costs an open file."""
    metric, columns = EpochMetrics(BOTH), faces(10)
    metric.update(*columns)
    kept = [rows.untyped_storage().data_ptr() for rows in metric.faces]
    assert not set(kept) & {column.untyped_storage().data_ptr() for column in columns}


def test_an_update_never_waits_for_the_device(monkeypatch):
    def refuse(*_):
        raise AssertionError("an update copied a value to the CPU")

    metric, columns = EpochMetrics(BOTH), faces(10)
    for name in ("item", "tolist", "__bool__", "__float__", "__int__", "cpu", "numpy"):
        monkeypatch.setattr(torch.Tensor, name, refuse)
    metric.update(*columns)


PROCESS = """
import json, sys
import torch
import torch.distributed as dist
from agegender.metrics.epoch import EpochMetrics

rank, folder = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
first, second = torch.load(f"{folder}/faces.pt")
metric = EpochMetrics(("age", "gender"))
mine = [column[:130] if rank == 0 else column[130:] for column in first]
for batch in zip(*(torch.split(column, 32) for column in mine)):
    metric.update(*batch)
both = metric.compute()
metric.reset()
if rank == 0:  # the other process has nothing at all
    metric.update(*second)
print(json.dumps([both, metric.compute()]))
dist.destroy_process_group()
"""


def test_two_processes_with_uneven_data_count_every_face_once(tmp_path):
    torch.save([faces(173), faces(40, seed=9)], tmp_path / "faces.pt")
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-W", "ignore", "-c", PROCESS]
    processes = [
        subprocess.Popen([*command, str(rank), str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=root) for rank in range(2)
    ]
    try:
        results = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert results[0] == results[1]
    assert_equal(results[0][0], references(*faces(173)))
    assert_equal(results[0][1], references(*faces(40, seed=9)))


@pytest.mark.parametrize("autocast", [False, True])
def test_each_data_set_has_its_own_metrics(autocast):
    columns = faces(700)
    dataset = torch.from_numpy(np.random.default_rng(5).integers(0, 3, 700))
    columns[1][dataset == 2] = columns[2][dataset == 2] = NAN  # the third has no ages
    metric = EpochMetrics(BOTH, ["a", "b", "c", "absent"])
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        for batch in zip(*(torch.split(column, 64) for column in (*columns, dataset)), strict=True):
            metric.update(*batch)
    expected = references(*columns)
    for number, name in enumerate("ab"):
        mine = dataset == number
        expected |= {f"{name}/{key}": value for key, value in references(*(column[mine] for column in columns)).items()}
    third = (dataset == 2) & (columns[4] >= 0)
    expected["c/gender_accuracy"] = accuracy_score(columns[4][third], columns[3][third] > 0.5)
    expected["c/gender_error"] = 1 - expected["c/gender_accuracy"]
    found = metric.compute()
    assert_equal(found, expected)
    assert not [key for key in found if key.startswith(("absent/", "c/age"))]


def test_an_epoch_is_measured_as_a_test_is():
    columns, classes = faces(1000), (0, 26, 51, 76)
    metric = EpochMetrics(BOTH, classes=classes)
    for batch in zip(*(torch.split(column, 77) for column in columns), strict=True):
        metric.update(*batch)
    pred, low, high, female, gender = (column.numpy().astype(np.float64) for column in columns)
    tested = measure(Predictions(low, high, gender.astype(int), pred, female, classes))
    found = metric.compute()
    assert {"age_class_accuracy", "age_class_error"} < set(found)
    assert found == {key: tested[key] for key in found}


def test_metrics_of_predictions_that_are_not_finite_are_nan_and_those_without_labels_are_left_out():
    columns = faces(50)
    columns[0][:] = NAN
    columns[4][:] = -1
    metric = EpochMetrics(BOTH)
    metric.update(*columns)
    found = metric.compute()
    assert math.isnan(found["age_mae"]) and math.isnan(found["age_distance"])
    assert "gender_accuracy" not in found
