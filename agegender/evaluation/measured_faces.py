"""Faces with predictions in the forms that are measured: a table, arrays, groups and resamples of the same faces."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agegender.evaluation.groupings import Grouping, groupings
from agegender.metrics.predictions import Predictions
from agegender.metrics.resampling import RESAMPLES, Draws


@dataclass(frozen=True)
class MeasuredFaces:
    """N faces with their predictions.

    Attributes:
        frame: A face table with predictions; see ``agegender.evaluation.results.split_metrics``.
        predictions: The same faces as arrays.
        tied: A number for each face, [N]; faces that ``group`` ties together (copies, one person) share it.
        groupings: How the faces are divided into groups.
        draws: Resamples of the faces.
    """

    frame: pd.DataFrame
    predictions: Predictions
    tied: NDArray[np.int64]
    groupings: list[Grouping]
    draws: Draws

    @classmethod
    def of(cls, frame: pd.DataFrame, classes: Sequence[float] = (), seed: int = 0, resamples: int = RESAMPLES) -> Self:
        """Reads a table.

        Args:
            frame: A face table with predictions.
            classes: First year of each age class of the head; empty if it has none.
            seed: Of the resamples.
            resamples: Number of resamples.

        Raises:
            AgeGenderError: A prediction for a labelled face is not finite or not in 0..1.
        """
        predictions = predictions_of(frame, classes)
        predictions.require_valid()
        tied = groups_of(frame)
        return cls(frame, predictions, tied, groupings(frame, predictions), Draws(tied, resamples, seed))


def predictions_of(faces: pd.DataFrame, classes: Sequence[float] = ()) -> Predictions:
    """The labels and predictions of a table as arrays."""
    age, female, crps = (
        faces[name].to_numpy(float) if name in faces else None for name in ("age_pred", "probability_female", "age_crps")
    )
    low, high = (faces[name].to_numpy(float) for name in ("age_low", "age_high"))
    gender = faces["gender"].fillna(-1).to_numpy(np.int64)
    return Predictions(low, high, gender, age, female, tuple(classes), crps)


def groups_of(faces: pd.DataFrame) -> NDArray[np.int64]:
    """A number for each face, [N]: faces that ``group`` ties together (copies, one person) share it."""
    if "group" not in faces:
        return np.arange(len(faces))
    names = faces["group"].fillna("").astype(str)
    alone = pd.Series([f"\0{row}" for row in range(len(faces))], index=faces.index)
    return pd.factorize(names.where(names != "", alone))[0].astype(np.int64)
