"""Losses of labelled faces, and their means over the ranks of a real process group."""

import multiprocessing
from pathlib import Path

import pytest
import torch
from torch import Tensor

from agegender.heads.dldl import DLDL
from agegender.heads.gender import GenderCrossEntropy
from agegender.training.task_losses import loss_sums, means_over_ranks

NAN = float("nan")
FACES = {
    "age_low": torch.tensor([20.0, NAN, 40.0, 3.0]),
    "age_high": torch.tensor([20.0, NAN, 49.0, 9.0]),
    "gender": torch.tensor([0, 1, -1, 1]),
}
HEADS = {"age": DLDL([0, 116]), "gender": GenderCrossEntropy()}


def outputs() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {task: torch.randn(4, head.outputs, generator=generator) for task, head in HEADS.items()}


def test_sums_are_of_the_labelled_faces() -> None:
    sums, counts = loss_sums(HEADS, outputs(), FACES)
    known = torch.tensor([0, 2, 3])
    age = HEADS["age"].loss(outputs()["age"][known], FACES["age_low"][known], FACES["age_high"][known])
    known = torch.tensor([0, 1, 3])
    gender = HEADS["gender"].loss(outputs()["gender"][known], FACES["gender"][known])
    torch.testing.assert_close(sums, {"age": age.sum(), "gender": gender.sum()})
    assert {task: int(count) for task, count in counts.items()} == {"age": 3, "gender": 3}


def test_a_task_without_an_output_has_no_loss() -> None:
    sums, counts = loss_sums(HEADS, {"gender": outputs()["gender"]}, FACES)
    assert list(sums) == list(counts) == ["gender"]


def test_sums_without_labels_are_zero_with_zero_gradients() -> None:
    output = outputs()["age"].requires_grad_()
    unknown = {**FACES, "age_low": torch.full((4,), NAN), "age_high": torch.full((4,), NAN)}
    sums, counts = loss_sums(HEADS, {"age": output}, unknown)
    sums["age"].backward()
    assert float(sums["age"].detach()) == int(counts["age"]) == 0
    assert torch.equal(output.grad, torch.zeros_like(output))


def test_means_of_one_process() -> None:
    sums = {"age": torch.tensor(6.0), "gender": torch.tensor(0.0)}
    means, labelled = means_over_ranks(sums, {"age": torch.tensor(3), "gender": torch.tensor(0)})
    assert {task: float(mean) for task, mean in means.items()} == {"age": 2.0, "gender": 0.0}
    assert {task: bool(known) for task, known in labelled.items()} == {"age": True, "gender": False}


def _rank(rank: int, store: str, results: "multiprocessing.Queue[tuple[int, dict, dict]]") -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    sums = {"age": torch.tensor([6.0, 4.0][rank]), "gender": torch.tensor([5.0, 0.0][rank])}
    counts = {"age": torch.tensor([3, 1][rank]), "gender": torch.tensor([2, 0][rank])}
    means, labelled = means_over_ranks(sums, counts)
    results.put((rank, {t: float(v) for t, v in means.items()}, {t: bool(v) for t, v in labelled.items()}))
    torch.distributed.destroy_process_group()


def test_the_average_over_ranks_is_the_mean_of_all_their_faces(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    ranks = [context.Process(target=_rank, args=(rank, str(tmp_path / "store"), results)) for rank in range(2)]
    for process in ranks:
        process.start()
    found = [results.get(timeout=60) for _ in ranks]
    for process in ranks:
        process.join(60)
    average = {task: sum(means[task] for _, means, _ in found) / 2 for task in ("age", "gender")}
    assert average == pytest.approx({"age": (6 + 4) / (3 + 1), "gender": 5 / 2})
    assert all(labelled == {"age": True, "gender": True} for _, _, labelled in found)
