"""Parses label texts: ages, age ranges, genders, splits, races and groups."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from agegender.errors import AgeGenderError
from agegender.sources.faces import FEMALE, MALE, SPLITS

LABELS = ("age", "age_low", "age_high", "gender", "race", "group", "split")
UNKNOWN = "unknown"
MAX_AGE = 120

_GENDERS = {"male": MALE, "female": FEMALE}
_CLOSED: dict[str, Mapping[str, Any]] = {"gender": _GENDERS, "split": {split: split for split in SPLITS}}
_YEARS = re.compile(r"\d{1,4}(\.\d+)?", re.ASCII)
# 25-32, (25-32) or (25, 32). Without parentheses, a comma may be the decimal mark of one age.
_RANGE = re.compile(r"([\d.]+)\s*-\s*([\d.]+)|\(\s*([\d.]+)\s*[-,]\s*([\d.]+)\s*\)", re.ASCII)
_LISTED = 5

Values = Mapping[str, Mapping[Any, str]]


def checked_values(values: Values) -> dict[str, dict[str, str]]:
    """Check the configured meanings of label texts and convert the texts to lower case.

    Labels of gender and split that `values` does not list accept their own class names.

    Args:
        values: For each label, a mapping from text to meaning. Allowed meanings are `male` and `female` for gender;
            `train`, `val` and `test` for split; years (`35`) or a range (`25-32`) for ages; any text for race and group;
            `unknown` for all labels.

    Raises:
        AgeGenderError: A label does not exist, or a meaning is not allowed for its label.
    """
    unknown = sorted(set(values) - set(LABELS))
    if unknown:
        raise AgeGenderError(f"values.{unknown[0]}: unknown label; allowed are {', '.join(LABELS)}")
    result = {label: {str(text).strip().casefold(): str(to) for text, to in (values[label] or {}).items()} for label in values}
    for label, meanings in result.items():
        for text, meaning in meanings.items():
            try:
                _meaning(label, meaning)
            except ValueError as error:
                raise AgeGenderError(f"values.{label}.{text}={meaning}: {error}; {UNKNOWN} is also allowed") from error
    return {label: dict(zip(names, names, strict=True)) for label, names in _CLOSED.items()} | result


def parse_labels(texts: pd.DataFrame, values: dict[str, dict[str, str]], where: Callable[[int, str], str]) -> pd.DataFrame:
    """Convert label texts to the labels of `FaceTable`.

    An empty text is unknown. Texts that `values` lists are replaced first. Other texts are allowed for ages (years or a
    range) and groups, and for race if `values` lists no race; for gender and split they are an error.

    Args:
        texts: One column per label (`age`, or `age_low` and `age_high`) and one row per face.
        values: Result of `checked_values`.
        where: Function of row and label that returns the place of a text, for error messages.

    Returns:
        Those of the columns `age_low`, `age_high`, `gender`, `race`, `group` and `split` for which there are texts.

    Raises:
        AgeGenderError: A text cannot be parsed. The message has the first place of each such text and the allowed texts.
    """
    faults: list[str] = []
    parsed = {}
    for label in texts.columns:
        codes, unique = pd.factorize(texts[label])
        meanings = np.empty(len(unique), dtype=object)
        for code, text in enumerate(unique):
            try:
                meanings[code] = _meaning(label, _translated(label, text, values.get(label, {})))
            except ValueError as error:
                rows = np.flatnonzero(codes == code)
                faults.append(f"{where(int(rows[0]), label)}: {error}" + _more(len(rows)))
        parsed[label] = meanings[codes]
    if faults:
        listed = "\n  ".join(["labels that cannot be parsed:", *faults[:_LISTED]])
        raise AgeGenderError(listed + (f"\n  ... and {len(faults) - _LISTED} other texts" if len(faults) > _LISTED else ""))
    if "age" in parsed:
        both = [(None, None) if age is None else age for age in parsed.pop("age")]
        parsed = {"age_low": [low for low, _ in both], "age_high": [high for _, high in both], **parsed}
    labels = pd.DataFrame(parsed, index=texts.index, dtype=object)
    if "age_low" in labels:
        _check_ranges(labels, where)
    return labels


def _translated(label: str, text: str, meanings: Mapping[str, str]) -> str:
    key = text.strip().casefold()
    if not key or key == UNKNOWN:
        return UNKNOWN
    if key in meanings:
        return meanings[key]
    if label in _CLOSED or (label == "race" and meanings):
        raise ValueError(f"{text!r} is not one of {', '.join(meanings)}: add it to values.{label}")
    return text.strip()


def _meaning(label: str, text: str) -> Any:
    if text == UNKNOWN:
        return None
    if label in _CLOSED:
        if text not in _CLOSED[label]:
            raise ValueError(f"{text!r} is not one of {', '.join(_CLOSED[label])}")
        return _CLOSED[label][text]
    if label == "age":
        ends = _RANGE.fullmatch(text)
        low, high = [end for end in ends.groups() if end] if ends else (text, text)
        age = _years(low, text), _years(high, text)
        if age[0] > age[1]:
            raise ValueError(f"the range {text!r} ends before it starts")
        return age
    return _years(text, text) if label in ("age_low", "age_high") else text


def _years(text: str, whole: str) -> float:
    if not _YEARS.fullmatch(text):
        raise ValueError(f"{whole!r} is neither an age in years (35 or 35.5) nor a range of ages (25-32)")
    if float(text) > MAX_AGE:
        raise ValueError(f"{whole!r} is above {MAX_AGE} years")
    return float(text)


def _check_ranges(labels: pd.DataFrame, where: Callable[[int, str], str]) -> None:
    low, high = labels["age_low"], labels["age_high"]
    for broken, reason in (
        (low.isna() != high.isna(), "only one of age_low and age_high is known"),
        (low.astype(float) > high.astype(float), "age_low is above age_high"),
    ):
        if broken.any():
            row = int(np.flatnonzero(broken)[0])
            raise AgeGenderError(f"{where(row, 'age_low')}: {reason}" + _more(int(broken.sum())))


def _more(rows: int) -> str:
    return f" (and {rows - 1} more)" if rows > 1 else ""
