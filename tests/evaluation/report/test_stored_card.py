"""The model card of a run, from what its folder holds."""

import shutil
from pathlib import Path

from agegender.evaluation.report.stored_card import stored_card
from agegender.runs.run_directory import RunDirectory

LICENSES = {"utkface": "research only"}


def test_the_card_is_made_from_metrics_and_predictions(trained_run: Path) -> None:
    run = RunDirectory(trained_run)
    assert not run.model_card.exists()
    card = stored_card(run, LICENSES)
    metrics = run.read_metrics()
    assert card is not None and "- utkface: research only" in card
    assert f"test, {metrics['test']['n']} faces" in card and f"{metrics['test']['age_mae']:.2f}" in card


def test_the_card_of_a_later_evaluation_is_copied(trained_run: Path, tmp_path: Path) -> None:
    run = RunDirectory(shutil.copytree(trained_run, tmp_path / "run"))
    evaluation = run.evaluation("test")
    evaluation.write_metrics(run.read_metrics())
    evaluation.write_model_card("its card")
    assert stored_card(run, LICENSES) == "its card"


def test_there_is_none_without_a_test(trained_run: Path, tmp_path: Path) -> None:
    run = RunDirectory(shutil.copytree(trained_run, tmp_path / "run"))
    run.predictions.unlink()
    assert stored_card(run, LICENSES) is None
    run.metrics.unlink()
    assert stored_card(run, LICENSES) is None
