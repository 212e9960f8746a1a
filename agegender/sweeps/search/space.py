"""The search space, written in Hydra's grammar of overrides: ``interval``, ``range``, ``choice`` and ``tag(log, ...)``."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep, Sweep
from hydra.errors import HydraException
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from agegender.errors import AgeGenderError
from agegender.sweeps.jobs import key_of


@dataclass(frozen=True)
class Space:
    """What a search varies, and what all its jobs share.

    Args:
        fixed: Overrides with one value.
        distributions: Values of each key that is searched. The choices of a categorical one are texts, as in an override.
    """

    fixed: Sequence[str]
    distributions: Mapping[str, BaseDistribution]

    def overrides(self, values: Mapping[str, Any]) -> list[str]:
        """The overrides of one point.

        Args:
            values: Of each key.
        """
        return [f"{key}={value if isinstance(value, str) else repr(value)}" for key, value in values.items()]

    def corners(self) -> list[dict[str, Any]]:
        """Points that have every choice and both ends of every interval once, with the first value of the other keys."""
        ends = {key: _ends(distribution) for key, distribution in self.distributions.items()}
        first = {key: values[0] for key, values in ends.items()}
        others = [{**first, key: value} for key, values in ends.items() for value in values[1:]]
        return [first, *others]


def _ends(distribution: BaseDistribution) -> list[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    return [distribution.low, distribution.high]


def read_space(arguments: Sequence[str], loader: Any = None) -> Space:
    """Reads the overrides of a search.

    Args:
        arguments: As on the command line, those of Hydra's own keys excepted.
        loader: Hydra's configuration loader, which ``glob`` needs.

    Raises:
        AgeGenderError: An override cannot be read, has no or only one value, or a key is given twice; or there is nothing to
            search.
    """
    parser = OverridesParser.create(config_loader=loader)
    fixed: list[str] = []
    distributions: dict[str, BaseDistribution] = {}
    keys: set[str] = set()
    for argument in arguments:
        try:
            [override] = parser.parse_overrides([argument])
        except HydraException as error:
            raise AgeGenderError(f"{argument}: {' '.join(str(error).splitlines())}") from error
        key = override.get_key_element()
        if key_of(key) in keys:
            raise AgeGenderError(f"{argument}: {key_of(key)} is given twice")
        keys.add(key_of(key))
        if not override.is_sweep_override():
            if _holds_sweep(override.value()):
                raise AgeGenderError(f"{argument}: an interval, range or choice must be the whole value")
            fixed.append(argument)
        elif override.is_delete():
            raise AgeGenderError(f"{argument}: a deletion cannot be searched")
        else:
            distributions[key] = _distribution(override, argument)
    if not distributions:
        raise AgeGenderError(
            "nothing to search: give at least one key an interval, a range or a choice, for example "
            "'optimizer.lr=tag(log,interval(1e-4,1e-2))' 'head=choice(dldl,coral)'"
        )
    return Space(fixed, distributions)


def _holds_sweep(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_holds_sweep, value.values()))
    return any(map(_holds_sweep, value)) if isinstance(value, list) else isinstance(value, Sweep)


def _distribution(override: Override, argument: str) -> BaseDistribution:
    value = override.value()
    tags = value.tags if isinstance(value, Sweep) else set()
    if tags - {"log"}:
        raise AgeGenderError(f"{argument}: unknown tag {', '.join(sorted(map(str, tags - {'log'})))}. Allowed: log")
    try:
        if isinstance(value, IntervalSweep):
            return _interval(value.start, value.end, bool(tags))
        if isinstance(value, RangeSweep):
            return _range(value.start, value.stop, value.step, bool(tags))
        if tags:
            raise ValueError("tag(log, ...) is for an interval or a range of numbers")
        return _choice([str(one) for one in override.sweep_string_iterator()])
    except (ValueError, OverflowError) as error:
        raise AgeGenderError(f"{argument}: {error}") from error


def _interval(low: Any, high: Any, log: bool) -> BaseDistribution:
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("the ends of an interval must be finite numbers")
    if low >= high:
        raise ValueError("the first end of an interval must be smaller than the second")
    _require_positive(low, log)
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(low, high, log=log)


def _range(start: Any, stop: Any, step: Any, log: bool) -> BaseDistribution:
    if not all(map(math.isfinite, (start, stop, step))):
        raise ValueError("start, stop and step of a range must be finite numbers")
    if step == 0:
        raise ValueError("the step of a range must not be 0")
    whole = all(isinstance(one, int) for one in (start, stop, step))
    exact = (start, stop, step) if whole else tuple(map(Decimal, (start, stop, step)))  # as Hydra counts
    count = -((exact[0] - exact[1]) // exact[2]) if whole else math.ceil((exact[1] - exact[0]) / exact[2])
    if count < 2:
        raise ValueError(f"the range has {'one value' if count == 1 else 'no values'}; a search needs two or more")
    low, high = sorted((start, type(start)(exact[0] + (count - 1) * exact[2])))
    _require_positive(low, log)
    if log and not (whole and abs(step) == 1):
        raise ValueError("tag(log, ...) needs a range of integers with step 1, or an interval")
    if whole:
        return IntDistribution(low, high, log=log, step=abs(step))
    return FloatDistribution(low, high, step=abs(step))


def _require_positive(low: Any, log: bool) -> None:
    if log and low <= 0:
        raise ValueError("tag(log, ...) needs values greater than 0")


def _choice(values: list[str]) -> BaseDistribution:
    if len(values) < 2:
        raise ValueError(f"the choice has {'one value' if values else 'no values'}; a search needs two or more")
    if len(set(values)) < len(values):
        raise ValueError("a value of the choice is given twice")
    return CategoricalDistribution(values)
