"""Groups of tested faces: by labelled gender, race and age, by their intersections, and by dataset."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agegender.metrics.age import exact
from agegender.metrics.gender import CLASSES
from agegender.metrics.predictions import Predictions
from agegender.metrics.ranges import NINE, names, ranges_of_labels

ATTRIBUTES = ("age_band", "race", "gender")  # in the order of a group's name: "10-19 Black female"
INTERSECTIONS = (("race", "gender"), ("age_band", "gender"), ("age_band", "race"), ATTRIBUTES)


@dataclass(frozen=True)
class Grouping:
    """Faces divided into groups; a face whose label is unknown is in none.

    Attributes:
        kind: What divides them, such as ``race_gender``.
        names: Of the groups, in the order in which they are shown.
        cells: Indices of the faces of each group; none is empty.
    """

    kind: str
    names: list[str]
    cells: list[NDArray[np.int64]]


def groupings(faces: pd.DataFrame, predictions: Predictions) -> list[Grouping]:
    """All ways to divide the faces whose labels are known, except those by decade.

    Args:
        faces: A face table; ``race`` may be missing.
        predictions: The same faces.
    """
    labels = {"age_band": _age_bands(predictions), "race": _texts(faces, "race"), "gender": _genders(predictions)}
    kinds = {one: (one,) for one in ("gender", "race", "age_band")} | {"_".join(several): several for several in INTERSECTIONS}
    found = [grouping(kind, [labels[name] for name in attributes]) for kind, attributes in kinds.items()]
    datasets = _texts(faces, "dataset")
    if datasets.nunique() > 1:
        found.append(grouping("dataset", [datasets]))
    return found


def by_decade(predictions: Predictions) -> Grouping:
    """Faces with an exact age in each decade: ``0-9``, ``10-19``, ..., youngest first."""
    start = np.where(exact(predictions), predictions.age_low // 10 * 10, np.nan)
    starts = np.unique(start[~np.isnan(start)]).astype(int)
    decades = pd.Categorical.from_codes(_codes(start, starts), [f"{one}-{one + 9}" for one in starts.tolist()], ordered=True)
    return grouping("age_decade", [pd.Series(decades)])


def _codes(start: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.where(np.isnan(start), -1, np.searchsorted(starts, np.nan_to_num(start)))


def grouping(kind: str, labels: Sequence[pd.Series]) -> Grouping:
    """Divides faces by the combination of their labels.

    Args:
        kind: Name of the grouping.
        labels: One or more labels a face, [N] each. Categories are ordered as they are, texts alphabetically.
    """
    table = pd.DataFrame({str(number): label for number, label in enumerate(labels)})
    grouped = table.groupby(list(table), observed=True, dropna=True, sort=True).indices
    order = sorted(grouped, key=lambda key: _place(key, labels))
    texts = [" ".join(map(str, key if isinstance(key, tuple) else (key,))) for key in order]
    return Grouping(kind, texts, [np.asarray(grouped[key], dtype=np.int64) for key in order])


def _place(key: object, labels: Sequence[pd.Series]) -> tuple[object, ...]:
    parts = key if isinstance(key, tuple) else (key,)
    return tuple(
        label.cat.categories.get_loc(part) if isinstance(label.dtype, pd.CategoricalDtype) else part
        for part, label in zip(parts, labels, strict=True)
    )


def _age_bands(predictions: Predictions) -> pd.Series:
    codes = ranges_of_labels(predictions.age_low, predictions.age_high)
    return pd.Series(pd.Categorical.from_codes(codes, names(NINE), ordered=True))


def _genders(predictions: Predictions) -> pd.Series:
    return pd.Series(pd.Categorical.from_codes(predictions.gender, list(CLASSES), ordered=True))


def _texts(faces: pd.DataFrame, column: str) -> pd.Series:
    if column not in faces:
        return pd.Series([None] * len(faces), dtype="string")
    return faces[column].astype("string").reset_index(drop=True)
