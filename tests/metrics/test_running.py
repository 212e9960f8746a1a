import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, mean_absolute_error, root_mean_squared_error

from agegender.metrics.age import age_metrics
from agegender.metrics.ranges import range_metrics
from agegender.metrics.running import RunningMetrics

NAN = math.nan


def faces(n, seed=0):
    """Predictions and labels: a third exact, a third intervals, a third unknown; a fifth without gender."""
    random = np.random.default_rng(seed)
    low = random.integers(0, 80, n).astype(np.float32)
    high = low + np.where(random.random(n) < 0.5, 0, 9).astype(np.float32)
    unknown = random.random(n) < 1 / 3
    low[unknown] = high[unknown] = NAN
    pred = random.uniform(0, 90, n).astype(np.float32)
    gender = np.where(random.random(n) < 0.2, -1, random.integers(0, 2, n))
    return [torch.from_numpy(part) for part in (pred, low, high, random.random(n).astype(np.float32), gender)]


def references(pred, low, high, probability, gender):
    exact, known = (low == high).numpy(), (gender >= 0).numpy()
    accuracy = accuracy_score(gender.numpy()[known], probability.numpy()[known] > 0.5)
    age, years = low.numpy()[exact], pred.numpy()[exact]
    return {
        "age_mae": mean_absolute_error(age, years),
        "age_rmse": root_mean_squared_error(age, years),
        "age_cs5": float((np.abs(age.astype(float) - years) <= 5).mean()),
        "age_distance": age_metrics(pred, low, high, seed=0)["distance"],
        "gender_accuracy": accuracy,
        "gender_error": 1 - accuracy,
    }


def plain(figures):
    return {name: value.item() for name, value in figures.items()}


def test_sums_over_uneven_batches_equal_scikit_learn_and_the_report():
    parts = faces(1000)
    metric = RunningMetrics()
    for batch in zip(*(torch.split(part, 77) for part in parts), strict=True):
        metric.update(*batch)
    assert plain(metric.compute()) == pytest.approx(references(*parts), rel=1e-5)


def test_the_figures_of_an_epoch_forget_the_last_one():
    metric = RunningMetrics()
    metric.update(*faces(100, seed=1))
    metric.compute()
    metric.reset()
    parts = faces(100, seed=2)
    metric.update(*parts)
    assert plain(metric.compute()) == pytest.approx(references(*parts), rel=1e-5)


def test_what_has_no_data_is_left_out():
    pred, low, high, probability, gender = faces(50)
    nothing, nobody = torch.full((50,), NAN), torch.full((50,), -1)

    def names(*batch):
        metric = RunningMetrics()
        metric.update(*batch)
        return set(metric.compute())

    ages = {"age_mae", "age_rmse", "age_cs5", "age_distance"}
    assert names(pred, low, high, None, gender) == ages
    assert names(pred, low, high, probability, nobody) == ages
    assert names(None, low, high, probability, gender) == {"gender_accuracy", "gender_error"}
    assert names(pred, nothing, nothing, probability, gender) == {"gender_accuracy", "gender_error"}
    assert names(pred, torch.zeros(50), torch.full((50,), 9.0), None, gender) == {"age_distance"}
    assert names(pred, nothing, nothing, probability, nobody) == set()
    assert names(*(part[:0] for part in (pred, low, high, probability, gender))) == set()


def test_the_edges_of_cs5_and_of_one_half():
    metric = RunningMetrics()
    ages = torch.full((4,), 30.0)
    metric.update(torch.tensor([35.0, 25.0, 35.01, 30.0]), ages, ages, torch.full((4,), 0.5), torch.tensor([0, 0, 1, -1]))
    figures = plain(metric.compute())
    assert figures["age_cs5"] == 0.75
    assert figures["gender_accuracy"] == pytest.approx(2 / 3)


def test_a_reset_in_inference_mode_does_not_forbid_later_updates():
    metric = RunningMetrics()
    with torch.inference_mode():
        metric.update(*faces(10))
        metric.compute()
        metric.reset()
    pred, *rest = faces(10)
    metric.update(pred.requires_grad_(), *rest)
    assert not metric.age.requires_grad
    assert "age_mae" in metric.compute()


def test_an_update_never_waits_for_the_device(monkeypatch):
    def refuse(*_):
        raise AssertionError("an update copied a value to the CPU")

    metric, parts = RunningMetrics(), faces(10)
    for name in ("item", "tolist", "__bool__", "__float__", "__int__", "cpu", "numpy"):
        monkeypatch.setattr(torch.Tensor, name, refuse)
    metric.update(*parts)


PROCESS = """
import json, sys
import torch
import torch.distributed as dist
from agegender.metrics.running import RunningMetrics

rank, folder = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
first, second = torch.load(f"{folder}/faces.pt")
metric = RunningMetrics()
mine = [part[:130] if rank == 0 else part[130:] for part in first]
for batch in zip(*(torch.split(part, 32) for part in mine)):
    metric.update(*batch)
both = {name: value.item() for name, value in metric.compute().items()}
metric.reset()
if rank == 0:  # the other process has nothing at all
    metric.update(*second)
one = {name: value.item() for name, value in metric.compute().items()}
print(json.dumps([both, one]))
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
    assert results[0][0] == pytest.approx(references(*faces(173)), rel=1e-5)
    assert results[0][1] == pytest.approx(references(*faces(40, seed=9)), rel=1e-5)


@pytest.mark.parametrize("autocast", [False, True])
def test_each_data_set_has_figures_of_its_own(autocast):
    parts = faces(700)
    dataset = torch.from_numpy(np.random.default_rng(5).integers(0, 3, 700))
    parts[1][dataset == 2] = parts[2][dataset == 2] = NAN  # the third knows no age
    metric = RunningMetrics(["a", "b", "c", "absent"])
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        for batch in zip(*(torch.split(part, 64) for part in (*parts, dataset)), strict=True):
            metric.update(*batch)
    expected = references(*parts)
    for number, name in enumerate("ab"):
        mine = dataset == number
        expected |= {f"{name}/{figure}": value for figure, value in references(*(part[mine] for part in parts)).items()}
    third = (dataset == 2) & (parts[4] >= 0)
    expected["c/gender_accuracy"] = accuracy_score(parts[4][third], parts[3][third] > 0.5)
    expected["c/gender_error"] = 1 - expected["c/gender_accuracy"]
    assert plain(metric.compute()) == pytest.approx(expected, rel=1e-5)


def test_accuracy_in_age_classes_is_that_of_the_report():
    parts = faces(1000)
    metric = RunningMetrics(classes=[0, 26, 51, 76])
    for batch in zip(*(torch.split(part, 77) for part in parts), strict=True):
        metric.update(*batch)
    figures = plain(metric.compute())
    expected = range_metrics(*parts[:3], seed=0, starts=[0, 26, 51, 76])
    assert figures["age_class_accuracy"] == pytest.approx(expected["accuracy"]) and expected["n"] < 667
    assert figures["age_class_error"] == pytest.approx(1 - expected["accuracy"])
    assert {name: figures[name] for name in references(*parts)} == pytest.approx(references(*parts), rel=1e-5)
