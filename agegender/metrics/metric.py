"""What a metric is: its name, unit and direction, the labels it needs, and the function that computes it."""

from dataclasses import dataclass
from typing import Any, Literal

Task = Literal["age", "gender"]
Level = Literal["file", "summary", "table", "headline"]


@dataclass(frozen=True)
class Need:
    """A kind of label. A metric that needs it is measured on the faces that have it.

    Functions are named relative to ``agegender.metrics``, as ``age.exact``, and imported when they are first called.

    Args:
        key: ``n_KEY`` in ``metrics.json`` is the number of these faces.
        task: What the model must have predicted.
        labelled: Function from ``Predictions`` to bool [N], True for a face that has the label. It gives None if the model
            has nothing to compare with the label, such as age classes.
    """

    key: str
    task: Task
    labelled: str


@dataclass(frozen=True)
class Metric:
    """A metric.

    Args:
        key: The only spelling of its name in files and settings.
        title: In tables and plots.
        meaning: One line for a legend.
        unit: ``years``; ``share``, a number in 0..1 that is shown in percent; ``ms``; or empty.
        better: Which values are better. ``zero``: those near zero.
        needs: The labels it is measured on. None: it does not depend on labels.
        per_face: Function from ``Predictions`` of faces that have these labels to numbers [N]. The metric is their mean, which
            has a confidence interval and can be tested for differences between models.
        overall: A `Statistic` of the same, for a metric that is not a mean over faces. A metric with neither is measured
            elsewhere (losses, latency).
        shown: ``file``: in ``metrics.json`` only. ``summary``: also in the summary of a test and for each group of people.
            ``table``: also a column of ``agegender.compare``. ``headline``: also with curves, a gap between training and
            validation, and a test of the differences between models.
        each_epoch: Measured after every epoch on the training and the validation split; it can be monitored if smaller
            values are better.
        repeats: Key of a metric that it equals if every age label is exact; it is not shown beside an equal value.
    """

    key: str
    title: str
    meaning: str
    unit: Literal["years", "share", "ms", ""]
    better: Literal["smaller", "larger", "zero"]
    needs: Need | None
    per_face: str | None = None
    overall: str | None = None
    shown: Level = "file"
    each_epoch: bool = False
    repeats: str | None = None

    @property
    def is_proportion(self) -> bool:
        """Whether it is the share of faces for which something is true, so that chance follows from the number of faces."""
        return self.unit == "share" and self.per_face is not None

    @property
    def is_computed(self) -> bool:
        """Whether it is computed from labels and predictions."""
        return bool(self.per_face or self.overall)

    @property
    def label(self) -> str:
        """The title with its unit, for an axis."""
        return f"{self.title} ({self.unit})" if self.unit in ("years", "ms") else self.title

    def badness(self, value: Any) -> Any:
        """A number that is smaller the better the value is, to sort by; of an array, for each value."""
        return {"smaller": value, "larger": -value, "zero": abs(value)}[self.better]

    def text(self, value: float, decimals: int = 2, sign: str = "") -> str:
        """A value as it is printed: shares in percent. ``sign`` "+" also shows the sign of a positive value."""
        sign = "+" if self.better == "zero" else sign
        if self.unit == "share":
            return f"{100 * value:{sign}.{decimals}f}%"
        return f"{value:{sign}.1f} ms" if self.unit == "ms" else f"{value:{sign}.{decimals}f}"
