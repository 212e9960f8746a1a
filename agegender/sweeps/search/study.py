"""An Optuna study that several drivers share, and that goes on after a driver has died.

A slot is one of the ``n_trials`` points of the search. Its first trial may be lost with its driver; the same point is then
asked again as another trial, which takes over the slot. Numbers of trials grow with each, the number of slots does not.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.trial import FrozenTrial, Trial, TrialState

from agegender.errors import AgeGenderError

IDENTITY, SURPLUS, RESULT = "agegender", "surplus", "job"  # attributes of the study and of its trials
OPEN = (TrialState.WAITING, TrialState.RUNNING)


def slot_of(trial: FrozenTrial) -> int:
    """The number of the first trial at the same slot."""
    first = RetryHeartbeatStaleTrialCallback.retried_trial_number(trial)
    return trial.number if first is None else first


class SharedStudy:
    """The study, as one driver sees it.

    Args:
        storage: The database.
        name: Of the study in it. The study is created if there is none of this name.
        n_trials: Number of slots, over all drivers and restarts.
        heartbeat: Seconds between two heartbeats of the trials of this driver.
        sampler: Chooses the points; None for Optuna's default.
        pruner: Decides which trials stop early; None for Optuna's default.
    """

    def __init__(
        self, storage: RDBStorage, name: str, n_trials: int, heartbeat: float, sampler: Any = None, pruner: Any = None
    ) -> None:
        self.name = name
        self._storage = storage
        self._n_trials = n_trials
        self._heartbeat = heartbeat
        self.study = optuna.create_study(
            storage=storage, study_name=name, sampler=sampler, pruner=pruner, direction="minimize", load_if_exists=True
        )
        self._id = storage.get_study_id_from_name(name)
        self._mine: dict[int, Trial] = {}
        self._seen: set[int] = set()
        self._next_beat = 0.0

    def require_same(self, identity: Mapping[str, Any]) -> None:
        """Refuses a study of another search. The first driver of a study stores what the search is.

        Args:
            identity: What must be equal, as plain values.

        Raises:
            AgeGenderError: The study belongs to another search. The message names what differs.
        """
        saved = self.study.user_attrs.get(IDENTITY)
        if saved is None and self.study.get_trials(deepcopy=False):
            raise AgeGenderError(
                f"hydra.sweeper.study={self.name}: the study was not made by this program; choose another name"
            )
        if saved is None:
            self.study.set_user_attr(IDENTITY, dict(identity))
            saved = self.study.user_attrs[IDENTITY]
        for key in sorted({*saved, *identity}):
            before, now = saved.get(key), identity.get(key)
            if before == now:
                continue
            if isinstance(before, Mapping) and isinstance(now, Mapping):
                names = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
                key, before, now = f"{key}, {names[0]}", before.get(names[0], "nothing"), now.get(names[0], "nothing")
            raise AgeGenderError(
                f"hydra.sweeper.study={self.name}: the study belongs to another search. {key}: it has {before}, not {now}. "
                "Search with the same settings, or into another hydra.sweep.dir or study"
            )

    def trials(self) -> list[FrozenTrial]:
        """The last trial of each slot, in the order of the slots."""
        slots: dict[int, FrozenTrial] = {}
        for trial in self._all():
            slots[slot_of(trial)] = trial
        return [slots[slot] for slot in sorted(slots)]

    def _all(self) -> list[FrozenTrial]:
        trials = self.study.get_trials(deepcopy=False)
        return [trial for trial in trials if SURPLUS not in trial.user_attrs]

    def ask(self, distributions: Mapping[str, BaseDistribution]) -> tuple[Trial, int] | None:
        """Takes a trial that another driver lost, or a new one.

        Returns:
            The trial and its slot; None if there is none at the moment, see ``is_over``.
        """
        self._beat_for_mine()  # after a pause of this machine they would count as lost too
        fail_stale_trials(self.study)
        before = self._all()
        if not any(trial.state == TrialState.WAITING for trial in before) and self._slots(before) >= self._n_trials:
            return None
        trial = self.study.ask(dict(distributions))
        self._storage.record_heartbeat(self._trial_id(trial.number))
        all_ = self._all()
        frozen = next(one for one in reversed(all_) if one.number == trial.number)
        slot = slot_of(frozen)
        if slot == trial.number and self._slots([one for one in all_ if one.number < slot]) >= self._n_trials:
            # Another driver has taken the last slot since they were counted.
            trial.set_user_attr(SURPLUS, True)
            self.study.tell(trial, state=TrialState.FAIL)
            return None
        self._mine[trial.number] = trial
        return trial, slot

    @staticmethod
    def _slots(trials: Sequence[FrozenTrial]) -> int:
        return sum(slot_of(trial) == trial.number for trial in trials)

    def is_over(self) -> bool:
        """Whether every slot is taken and every trial has ended, those of other drivers too."""
        trials = self._all()
        return self._slots(trials) >= self._n_trials and not any(trial.state in OPEN for trial in trials)

    def beat(self) -> None:
        """Keeps the trials of this driver alive; to be called often."""
        if time.monotonic() < self._next_beat:
            return
        self._next_beat = time.monotonic() + self._heartbeat
        self._beat_for_mine()
        for trial in self._all():
            # A driver that died right after it had asked has left no heartbeat, without which a trial never counts as lost.
            if trial.state == TrialState.RUNNING and trial.number not in self._mine and trial.number not in self._seen:
                self._storage.record_heartbeat(self._trial_id(trial.number))
                self._seen.add(trial.number)

    def _beat_for_mine(self) -> None:
        for number in self._mine:
            self._storage.record_heartbeat(self._trial_id(number))

    def report(self, trial: Trial, scores: Mapping[int, float]) -> bool:
        """Reports scores of epochs, those that are known already excepted.

        Args:
            trial: Of this driver.
            scores: By epoch.

        Returns:
            Whether the trial should be pruned.
        """
        known = self._storage.get_trial(self._trial_id(trial.number)).intermediate_values
        try:
            for epoch, score in scores.items():
                if epoch not in known:
                    trial.report(score, epoch)
            return trial.should_prune()
        except UpdateFinishedTrialError:  # another driver took this one for dead
            return False

    def tell(self, trial: Trial, result: Mapping[str, Any], state: TrialState, value: float | None = None) -> None:
        """Ends a trial.

        Args:
            trial: Of this driver.
            result: What the table of the sweep shows of it.
            state: COMPLETE, PRUNED or FAIL.
            value: The score of a complete trial.
        """
        del self._mine[trial.number]
        try:
            trial.set_user_attr(RESULT, dict(result))
            self.study.tell(trial, value, state, skip_if_finished=True)
        except UpdateFinishedTrialError:  # another driver took this one for dead
            return

    def ask_again(self, trial: Trial) -> None:
        """Gives a trial of this driver up, so that its point is asked again."""
        del self._mine[trial.number]
        number = self._trial_id(trial.number)
        try:
            self._storage.set_trial_state_values(number, TrialState.FAIL)
        except UpdateFinishedTrialError:  # another driver took this one for dead, and asks again
            return
        retry = RetryHeartbeatStaleTrialCallback(inherit_intermediate_values=True)
        retry(self.study, self._storage.get_trial(number))

    def ask_all_again(self) -> None:
        """Gives all trials of this driver up."""
        for trial in list(self._mine.values()):
            self.ask_again(trial)

    def retries(self, trial: Trial) -> int:
        """How often the point of a trial was asked before."""
        return len(RetryHeartbeatStaleTrialCallback.retry_history(self._storage.get_trial(self._trial_id(trial.number))))

    def _trial_id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._id, number)


def identity_of(distributions: Mapping[str, BaseDistribution], fixed: Sequence[str], **more: Any) -> dict[str, Any]:
    """What makes a search this one and no other, as plain values.

    Args:
        distributions: Of the keys that are searched.
        fixed: Overrides that all jobs share and that influence the score.
        **more: Other values.
    """
    space = {key: distribution_to_json(one) for key, one in distributions.items()}
    return {"search space": space, "fixed overrides": sorted(fixed), **more}
