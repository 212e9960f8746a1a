"""The settings of a search: the keys of ``hydra.sweeper`` in ``conf/hydra/sweeper/optuna.yaml``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agegender.errors import AgeGenderError


@dataclass(frozen=True)
class SearchSettings:
    """How to search.

    Args:
        n_trials: Trials in all, over restarts and over all drivers that share the study.
        seeds: Trainings of each trial, with as many seeds; its score is their mean.
        storage: URL of the study's database, or the name of an environment variable that holds it; None for SQLite beside the
            sweep.
        study: Name of the study in its database; needed with ``storage``.
        heartbeat: Seconds between two signs of life of a running trial. Trials without one for four times as long are asked
            again.
        sampler: Mapping with ``_target_``, a class of ``optuna.samplers``, and its arguments.
        pruner: Mapping with ``_target_``, a class of ``optuna.pruners``, and its arguments.

    Raises:
        AgeGenderError: A number is no integer or too small, or ``storage`` is given without ``study``.
    """

    n_trials: int
    seeds: int
    storage: str | None
    study: str | None
    heartbeat: int
    sampler: Mapping[str, Any]
    pruner: Mapping[str, Any]

    def __post_init__(self) -> None:
        for key in ("n_trials", "seeds", "heartbeat"):
            value = getattr(self, key)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise AgeGenderError(f"hydra.sweeper.{key}={value}: must be an integer of at least 1")
        if self.storage is not None and self.study is None:
            raise AgeGenderError(
                "hydra.sweeper.study=null: a study in hydra.sweeper.storage needs a name, the same on all machines"
            )

    @property
    def name(self) -> str:
        """The name of the study."""
        return str(self.study or "search")
