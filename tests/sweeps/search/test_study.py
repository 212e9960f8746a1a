"""A study of several drivers: the number of trials, trials of dead drivers, what belongs to it."""

import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState
from sqlalchemy.engine import make_url

from agegender.errors import AgeGenderError
from agegender.sweeps.search.storage import open_storage
from agegender.sweeps.search.study import SharedStudy, identity_of

SPACE = {"lr": FloatDistribution(0.0, 1.0)}


def driver(folder: Path, n_trials: int = 3, heartbeat: int = 1, **more: Any) -> SharedStudy:
    storage = open_storage(make_url(f"sqlite:///{folder}/study.db"), heartbeat)
    return SharedStudy(storage, "s", n_trials, heartbeat, **more)


def asked(study: SharedStudy) -> tuple[Any, int]:
    found = study.ask(SPACE)
    assert found is not None
    return found


def test_the_number_of_trials_is_the_total_over_restarts(tmp_path: Path) -> None:
    first = driver(tmp_path)
    for value in (1.0, 2.0):
        first.tell(asked(first)[0], {}, TrialState.COMPLETE, value)
    second = driver(tmp_path)
    assert not second.is_over()
    second.tell(asked(second)[0], {"reason": "x"}, TrialState.FAIL)
    assert second.ask(SPACE) is None and second.is_over() and first.ask(SPACE) is None
    assert [trial.state.name for trial in second.trials()] == ["COMPLETE", "COMPLETE", "FAIL"]
    assert asked(driver(tmp_path, n_trials=4))[1] == 3


def test_of_two_drivers_that_take_the_last_trial_one_gets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = driver(tmp_path, 1), driver(tmp_path, 1)
    counted = second._all
    before: list[Any] = [[]]  # the second driver has counted before the first has asked
    monkeypatch.setattr(second, "_all", lambda: before.pop() if before else counted())
    trial, _ = asked(first)
    assert second.ask(SPACE) is None
    assert [one.number for one in second.trials()] == [trial.number]
    first.tell(trial, {}, TrialState.COMPLETE, 1.0)
    assert first.is_over() and second.is_over()


def test_trials_of_a_dead_driver_are_asked_again_with_what_they_reported(tmp_path: Path) -> None:
    dead = driver(tmp_path)
    trial, slot = asked(dead)
    dead.report(trial, {0: 5.0, 1: 4.0})
    dead.study.ask(SPACE)  # and then it died, before the first heartbeat
    alive = driver(tmp_path)
    own, _ = asked(alive)
    assert alive.ask(SPACE) is None and not alive.is_over()
    deadline = time.monotonic() + 30
    again: list[tuple[Any, int]] = []
    while len(again) < 2:
        assert time.monotonic() < deadline
        alive.beat()
        if (found := alive.ask(SPACE)) is not None:
            again.append(found)
        time.sleep(0.1)
    assert {slot for _, slot in again} == {0, 1} and own.number == 2
    resumed = next(one for one, found in again if found == slot)
    assert resumed.params == trial.params and resumed.number > 2
    assert alive.study.trials[resumed.number].intermediate_values == {0: 5.0, 1: 4.0}
    assert not alive.report(resumed, {0: 5.0, 1: 4.0, 2: 3.0})
    for one in (own, *(one for one, _ in again)):
        alive.tell(one, {}, TrialState.COMPLETE, 1.0)
    assert alive.is_over() and len(alive.trials()) == 3
    assert dead.report(trial, {2: 1.0}) is False  # it was only asleep: its trial is no longer its own
    dead.tell(trial, {}, TrialState.COMPLETE, 0.0)
    assert [one.value for one in alive.trials()] == [1.0, 1.0, 1.0]


def test_a_driver_that_slept_keeps_its_own_trials(tmp_path: Path) -> None:
    study = driver(tmp_path)
    trial, _ = asked(study)
    time.sleep(6)  # more than four heartbeats
    second, slot = asked(study)
    assert (second.number, slot) == (1, 1)
    study.tell(trial, {}, TrialState.COMPLETE, 1.0)
    assert study.trials()[0].value == 1.0


def test_a_trial_that_is_given_up_is_asked_again_at_its_slot(tmp_path: Path) -> None:
    study = driver(tmp_path, 1)
    trial, _ = asked(study)
    study.ask_again(trial)
    again, slot = asked(study)
    assert (slot, again.params, study.retries(again)) == (0, trial.params, 1)
    study.ask_all_again()
    assert [one.state for one in study.trials()] == [TrialState.WAITING]


def test_a_trial_that_is_worse_than_the_median_is_pruned(tmp_path: Path) -> None:
    study = driver(tmp_path, 9, pruner=optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=0))
    good, _ = asked(study)
    assert not study.report(good, {0: 2.0, 1: 1.0})
    study.tell(good, {}, TrialState.COMPLETE, 1.0)
    bad, _ = asked(study)
    assert study.report(bad, {0: 3.0})
    study.tell(bad, {}, TrialState.PRUNED)
    assert [one.state for one in study.trials()] == [TrialState.COMPLETE, TrialState.PRUNED]


def test_a_study_of_another_search_is_refused_and_the_difference_is_named(tmp_path: Path) -> None:
    identity = identity_of(SPACE, ["b=1", "a=2"], monitor="val/age_mae")
    driver(tmp_path).require_same(identity)
    driver(tmp_path).require_same(identity_of(SPACE, ["a=2", "b=1"], monitor="val/age_mae"))
    for other, named in (
        (
            identity_of({"lr": FloatDistribution(0.0, 2.0)}, ["a=2", "b=1"], monitor="val/age_mae"),
            "search space, lr: it has .*1.0.* not .*2.0",
        ),
        (
            identity_of({**SPACE, "x": FloatDistribution(0.0, 2.0)}, ["a=2", "b=1"], monitor="val/age_mae"),
            "search space, x: it has nothing",
        ),
        (identity_of(SPACE, ["a=2"], monitor="val/age_mae"), "fixed overrides"),
        (identity_of(SPACE, ["a=2", "b=1"], monitor="val/loss"), "monitor: it has val/age_mae, not val/loss"),
    ):
        with pytest.raises(AgeGenderError, match=rf"hydra.sweeper.study=s: the study belongs to another search\. {named}"):
            driver(tmp_path).require_same(other)


def test_a_study_of_another_program_is_refused(tmp_path: Path) -> None:
    driver(tmp_path).study.ask()
    with pytest.raises(AgeGenderError, match="was not made by this program"):
        driver(tmp_path).require_same({})
