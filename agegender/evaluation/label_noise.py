"""The list of faces with labels that the model contradicts most, to be reviewed, or excluded from training."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from agegender.evaluation.results import predictions_of
from agegender.metrics import label_noise
from agegender.metrics.gender import CLASSES


def suspicious_faces(faces: pd.DataFrame, classes: Sequence[int] = ()) -> tuple[pd.DataFrame, dict[str, int]]:
    """Finds the faces with suspicious labels.

    Args:
        faces: Face table columns and, as far as the model has the task, ``age_pred`` and ``probability_female``.
        classes: First year of each age class of the head; empty if it has none.

    Returns:
        One row a face, the least plausible label first: ``path`` (``dataset/path``, as ``data.exclude`` reads it), ``label``
        (``age``, ``gender`` or ``age and gender``), ``quality`` in 0..1 (how plausible the label is; of two, the smaller),
        ``labelled_age``, ``age_pred``, ``labelled_gender`` and ``probability_female``. And for ``metrics.json`` the numbers
        of faces ``n``, ``age`` and ``gender``.
    """
    predictions = predictions_of(faces, classes)
    nothing, unknown = np.zeros(len(faces), dtype=bool), np.full(len(faces), np.nan)
    age, age_quality, gender, gender_quality = nothing, unknown, nothing, unknown
    if predictions.age is not None:
        age, age_quality = label_noise.age_suspicious(predictions), label_noise.age_quality(predictions)
    if predictions.female is not None:
        gender, gender_quality = label_noise.gender_suspicious(predictions), label_noise.gender_quality(predictions)
    either = age | gender
    quality = np.fmin(np.where(age, age_quality, 1.0), np.where(gender, gender_quality, 1.0))
    found = pd.DataFrame(
        {
            "path": faces["dataset"] + "/" + faces["path"],
            "label": np.select([age & gender, age, gender], ["age and gender", "age", "gender"], ""),
            "quality": quality,
            "labelled_age": [_ages(low, high) for low, high in zip(faces["age_low"], faces["age_high"], strict=True)],
            "age_pred": faces.get("age_pred", pd.Series(np.nan, index=faces.index)),
            "labelled_gender": faces["gender"].map(dict(enumerate(CLASSES))),
            "probability_female": faces.get("probability_female", pd.Series(np.nan, index=faces.index)),
        }
    )
    counts = {"n": int(either.sum()), "age": int(age.sum()), "gender": int(gender.sum())}
    return found[either].sort_values(["quality", "path"], ignore_index=True), counts


def _ages(low: Any, high: Any) -> str:
    return "" if pd.isna(low) else f"{low:g}" if low == high else f"{low:g}-{high:g}"
