"""What the model looks at, as numbers."""

from agegender.evaluation.report.section import Evidence, Section
from agegender.evaluation.report.table import Cell, Table, TableRow

METHODS = {"grad_cam": "Grad-CAM", "occlusion": "occlusion"}
NOTE = (
    "Grad-CAM follows gradients in the last layer; occlusion covers squares of the image and needs no gradient. The "
    "correlation is that of the maps with those of the same network after its weights are shuffled: near 0 if the maps "
    "explain the model, near 1 if they only show the image."
)


def section(evidence: Evidence) -> Section | None:
    """The share of attention on the face for each task and method; None if the model was not explained."""
    found = evidence.metrics.get("explanation")
    if not found:
        return None
    rows = [
        TableRow([
            Cell(task), Cell(METHODS.get(method, method)), _share(one["face_share"]), _interval(one["face_share_ci95"]),
            _number(one["random_weights_correlation"]),
        ])
        for task in ("age", "gender") for method, one in (found.get(task) or {}).items()
    ]  # fmt: skip
    text = (
        f"On {found['n']:,} random faces. The face is an ellipse in the middle of an aligned crop with "
        f"{found['face_area']:.0%} of its area, which is the share that a map without a preference would have there."
    )
    columns = ("task", "method", "share on the face", "95% interval", "correlation with random weights")
    return Section(
        "explanation", "What the estimates depend on", [text], [], [Table("attention", "Attention", columns, rows)], [NOTE]
    )


def _share(value: float | None) -> Cell:
    return Cell("-") if value is None else Cell(f"{value:.1%}", value)


def _number(value: float | None) -> Cell:
    return Cell("-") if value is None else Cell(f"{value:.2f}", value)


def _interval(ends: list[float] | None) -> Cell:
    return Cell("-") if ends is None else Cell(f"{ends[0]:.1%} to {ends[1]:.1%}", ends[1] - ends[0])
