"""Labels as people write them, understood in one place: what counts as an age, a gender or a part."""

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
_CLOSED: dict[str, Mapping[str, Any]] = {"gender": _GENDERS, "split": {part: part for part in SPLITS}}
_YEARS = re.compile(r"\d{1,4}(\.\d+)?", re.ASCII)
_RANGE = re.compile(r"\(?\s*(?P<low>[\d.]+)\s*[-,]\s*(?P<high>[\d.]+)\s*\)?", re.ASCII)
_LISTED = 5

Values = Mapping[str, Mapping[Any, str]]


def checked_values(values: Values) -> dict[str, dict[str, str]]:
    """What texts mean, label by label, as text in lower case; absent for gender and split: their own names.

    Args:
        values: For each label, texts and what they mean: `male`, `female` for gender; `train`, `val`, `test` for split;
            years (`35`) or a range (`25-32`) for ages; any word for race and group; `unknown` for all.

    Raises:
        AgeGenderError: A label that does not exist, or a meaning that its label cannot have.
    """
    unknown = sorted(set(values) - set(LABELS))
    if unknown:
        raise AgeGenderError(f"values.{unknown[0]}: no such label; there are {', '.join(LABELS)}")
    result = {label: {str(text).strip().casefold(): str(to) for text, to in (values[label] or {}).items()} for label in values}
    for label, meanings in result.items():
        for text, meaning in meanings.items():
            try:
                _meaning(label, meaning)
            except ValueError as error:
                raise AgeGenderError(f"values.{label}.{text}={meaning}: {error}, and not {UNKNOWN}") from error
    return {label: dict(zip(names, names, strict=True)) for label, names in _CLOSED.items()} | result


def parse_labels(texts: pd.DataFrame, values: dict[str, dict[str, str]], where: Callable[[int, str], str]) -> pd.DataFrame:
    """Labels of the schema from texts.

    An empty text is unknown. A text of gender or split must be one of those that `values` explain, so must one of race
    where `values` explain any; ages are years or a range, after `values` had their turn.

    Args:
        texts: One column a label (`age`, or `age_low` and `age_high`), one row a face.
        values: From `checked_values`.
        where: Names a place for an error message, given row and label.

    Returns:
        Columns `age_low`, `age_high`, `gender`, `race`, `group`, `split` as far as there are texts for them.

    Raises:
        AgeGenderError: Names the first of each kind of text that cannot be understood, and what is allowed.
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
        listed = "\n  ".join(["labels that cannot be understood:", *faults[:_LISTED]])
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
        raise ValueError(f"{text!r} is none of {', '.join(meanings)}: say what it means in values.{label}")
    return text.strip()


def _meaning(label: str, text: str) -> Any:
    if text == UNKNOWN:
        return None
    if label in _CLOSED:
        if text not in _CLOSED[label]:
            raise ValueError(f"{text!r} is none of {', '.join(_CLOSED[label])}")
        return _CLOSED[label][text]
    if label == "age":
        ends = _RANGE.fullmatch(text)
        low, high = (ends["low"], ends["high"]) if ends else (text, text)
        age = _years(low, text), _years(high, text)
        if age[0] > age[1]:
            raise ValueError(f"the range {text!r} ends before it begins")
        return age
    return _years(text, text) if label in ("age_low", "age_high") else text


def _years(text: str, whole: str) -> float:
    if not _YEARS.fullmatch(text):
        raise ValueError(f"{whole!r} is neither years (35) nor a range of them (25-32)")
    if float(text) > MAX_AGE:
        raise ValueError(f"{whole!r} is above {MAX_AGE} years")
    return float(text)


def _check_ranges(labels: pd.DataFrame, where: Callable[[int, str], str]) -> None:
    low, high = labels["age_low"], labels["age_high"]
    for broken, reason in (
        (low.isna() != high.isna(), "of age_low and age_high one is known and one is not"),
        (low.astype(float) > high.astype(float), "age_low is above age_high"),
    ):
        if broken.any():
            row = int(np.flatnonzero(broken)[0])
            raise AgeGenderError(f"{where(row, 'age_low')}: {reason}" + _more(int(broken.sum())))


def _more(rows: int) -> str:
    return f" (and {rows - 1} more)" if rows > 1 else ""
