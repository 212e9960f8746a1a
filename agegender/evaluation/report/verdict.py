"""What a test says, in words for people who do not know the field."""

import numpy as np
import pandas as pd

from agegender.evaluation.report.section import Evidence

TEEN, ADULT = 15, 18
FEW = 30  # faces; fewer are pooled with neighbouring ages


def verdict(evidence: Evidence) -> list[str]:
    """Sentences, the most important first."""
    faces = evidence.faces
    exact = faces[faces["age_low"].notna() & (faces["age_low"] == faces["age_high"])]
    sentences = []
    if "age_pred" in faces and len(exact):
        sentences += [_typical_error(exact), *_minors(exact), *_bias(exact)]
    if evidence.values.get("gender_accuracy") is not None:
        right = 100 * evidence.values["gender_accuracy"]
        sentences.append(
            f"Of 100 faces, {right:.0f} get the gender that their label says, and {100 - right:.0f} get the other one."
        )
    return sentences


def _typical_error(exact: pd.DataFrame) -> str:
    error = (exact["age_pred"] - exact["age_low"]).abs().to_numpy(float)
    half, most = np.quantile(error, [0.5, 0.9])
    return (
        f"For half of the faces the estimated age is at most {half:.1f} years off; for one face in ten it is more than "
        f"{most:.1f} years off."
    )


def _minors(exact: pd.DataFrame) -> list[str]:
    """How many faces of 15-year-olds pass as 18; of 14- to 17-year-olds, if there are few of 15."""
    some, who = exact[exact["age_low"].between(TEEN, TEEN + 0.99)], f"{TEEN}-year-olds"
    if len(some) < FEW:
        some, who = exact[exact["age_low"].between(14, 17.99)], "people aged 14 to 17"
    if not len(some):
        return []
    passing = 100 * float((some["age_pred"] >= ADULT).mean())
    return [f"Of 100 faces of {who}, {passing:.0f} would pass as {ADULT} ({len(some):,} faces were tested)."]


def _bias(exact: pd.DataFrame) -> list[str]:
    """Whether children are estimated too old, and old people too young."""
    sentences = []
    for who, low, high in (("children under 10", 0, 10), ("people of 60 and more", 60, np.inf)):
        some = exact[(exact["age_low"] >= low) & (exact["age_low"] < high)]
        if len(some) >= FEW:
            bias = float((some["age_pred"] - some["age_low"]).mean())
            direction = "too old" if bias > 0 else "too young"
            sentences.append(f"On average, {who} are estimated {abs(bias):.1f} years {direction}.")
    return sentences
