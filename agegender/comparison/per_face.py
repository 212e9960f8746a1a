"""The value of a metric for each single face; the metric of the run is their mean."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agegender.evaluation.measured_faces import predictions_of
from agegender.metrics.measure import per_face
from agegender.metrics.metric import Metric
from agegender.runs.finished_run import Run


def per_face_of(
    run: Run, metric: Metric, classes: Sequence[float] = (), split: str | None = None
) -> NDArray[np.float64] | None:
    """One value per face of a split, by default the tested split, [N]; NaN for a face without the labels.

    Args:
        run: The faces are those of its predictions.
        metric: Of the registry.
        classes: First year of each age class that ``age_class_accuracy`` is about.
        split: ``train``, ``val`` or ``test``.

    Returns:
        None if there is no such number: predictions were not kept, the metric is no mean over faces, no face has the labels.
    """
    faces = run.faces(split)
    return None if faces is None else per_face(metric, predictions_of(faces, classes))
