"""Stops a training whose monitor no longer improves."""

from typing import Literal

from lightning.pytorch import callbacks
from torch import Tensor

from agegender.errors import AgeGenderError


class EarlyStopping(callbacks.EarlyStopping):
    """Stops a training whose monitor no longer improves, or is not a finite number.

    It works as Lightning's callback of the same name.

    Args:
        monitor: Metric that has to improve, such as ``val/age_distance``.
        patience: Epochs without improvement after which the training stops.
        min_delta: Smallest change that is an improvement, in the unit of the metric.
        mode: Whether smaller (`min`) or larger (`max`) values are better.
        check_finite: Whether the training stops when the monitor is NaN or infinite.
        stopping_threshold: Value that is good enough: the training stops when it is passed. None for no such value.
        divergence_threshold: Value that is too bad: the training stops when it is passed. None for no such value.

    Raises:
        AgeGenderError: The monitor was not measured. Raised at the end of the first epoch.
    """

    def __init__(
        self,
        monitor: str,
        patience: int = 10,
        min_delta: float = 0.0,
        mode: Literal["min", "max"] = "min",
        check_finite: bool = True,
        stopping_threshold: float | None = None,
        divergence_threshold: float | None = None,
    ) -> None:
        super().__init__(
            monitor, min_delta, patience, mode=mode, check_finite=check_finite,
            stopping_threshold=stopping_threshold, divergence_threshold=divergence_threshold,
        )  # fmt: skip

    def _validate_condition_metric(self, logs: dict[str, Tensor]) -> bool:
        if self.monitor not in logs:
            known, key = ", ".join(sorted(logs)), "callbacks.early_stopping.monitor"
            raise AgeGenderError(f"{key}={self.monitor}: not measured in this run. Measured: {known}")
        return super()._validate_condition_metric(logs)
