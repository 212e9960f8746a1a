"""What a test says, in words for people who do not know the field."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from agegender.evaluation.report.section import Evidence

TEEN, ADULT = "15", "18"
POOLED = "14-17"
GAPS = (  # metric, its name, its unit, and the kinds of groups that are compared
    ("age_mae", "error of age", "years", ("race_gender", "race", "gender")),
    ("gender_error", "share of wrong genders", "%", ("race_gender", "race", "gender", "age_band")),
)
FEW = 30  # faces of one age; fewer are pooled with neighbouring ages


def verdict(evidence: Evidence) -> list[str]:
    """Sentences, the most important first."""
    values = evidence.values
    gate = values.get("age_gate") or {}
    legal = (gate.get("legal_ages") or {}).get(ADULT)
    sentences = [*_selection(evidence), *_typical_error(evidence)]
    if legal:
        sentences += [*_minors(legal, gate["challenge_age"]), *_threshold(legal, gate["target_rate"])]
    sentences += _bias((values.get("by_group") or {}).get("age_decade") or {})
    if values.get("gender_accuracy") is not None:
        right = round(100 * values["gender_accuracy"])
        sentences.append(f"Of 100 faces, {right} get the gender that their label says, and {100 - right} get the other one.")
    return sentences + _worst_group(values.get("fairness") or {}) + _interval(values)


def _selection(evidence: Evidence) -> list[str]:
    if evidence.tested == "test" or not evidence.trained_on or "excluded" in evidence.metrics:
        return []
    return [f"The model was trained or selected on these faces ({evidence.tested} split), so it does worse on new faces."]


def _typical_error(evidence: Evidence) -> list[str]:
    faces = evidence.faces
    if "age_pred" not in faces:
        return []
    exact = faces[faces["age_low"].notna() & (faces["age_low"] == faces["age_high"])]
    if not len(exact):
        return []
    half, most = np.quantile((exact["age_pred"] - exact["age_low"]).abs().to_numpy(float), [0.5, 0.9])
    return [
        f"For half of the faces the estimated age is at most {half:.1f} years off; for one face in ten it is at least "
        f"{most:.1f} years off."
    ]


def _minors(legal: Mapping[str, Any], challenge: float) -> list[str]:
    """How many 15-year-olds pass as 18; people of 14 to 17 years, if few of 15 were tested."""
    rows = {(row["threshold"], row["kind"], row["group"]): row for row in legal["at"]}
    for kind, group, who, fewest in ("age", TEEN, f"{TEEN}-year-olds", FEW), ("age_band", POOLED, "people aged 14 to 17", 1):
        row, strict = rows.get((float(ADULT), kind, group)), rows.get((float(challenge), kind, group))
        if row and strict and row["n"] >= fewest:
            low, high = (round(100 * end) for end in row["ci95"])
            return [
                f"Of 100 faces of {who}, {round(100 * row['rate'])} would pass as {ADULT} (95% interval {low} to {high}; "
                f"{row['n']:,} faces were tested). If everybody who seems younger than {challenge:g} must show proof of age, "
                f"{round(100 * strict['rate'])} of 100 would still pass."
            ]
    return []


def _threshold(legal: Mapping[str, Any], target: float) -> list[str]:
    if not (legal["n_under"] and legal["n_of_age"]):
        return []
    smallest = legal["estimate"]["smallest"]
    limit = f"at most {100 * target:g} of 100 people under {ADULT}"
    if smallest is None:
        return [f"No threshold on the estimated age lets {limit} pass."]
    return [
        f"To let {limit} pass, the estimated age must be {smallest['threshold']:g} or more; then "
        f"{round(100 * smallest['refused_rate'])} of 100 people who are {ADULT} or older are refused."
    ]


def _bias(decades: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Whether children are estimated too old, and old people too young."""
    ends = {"children under 10": range(0, 10), "people of 60 and more": range(60, 200)}
    sentences = []
    for who, ages in ends.items():
        rows = [
            row for decade, row in decades.items() if int(decade.partition("-")[0]) in ages and row.get("age_bias") is not None
        ]
        n = sum(row["n_exact_age"] for row in rows)
        if n < FEW:
            continue
        bias = sum(row["n_exact_age"] * row["age_bias"] for row in rows) / n
        sentences.append(f"On average, {who} are estimated {abs(bias):.1f} years too {'old' if bias > 0 else 'young'}.")
    return sentences


def _worst_group(fairness: Mapping[str, Any]) -> list[str]:
    """The clearest gap between labelled groups for each task, and whether chance explains it."""
    sentences = []
    for key, what, unit, compared in GAPS:
        kinds = fairness.get("kinds") or {}
        gaps = [(kind, kinds[kind][key]) for kind in compared if key in kinds.get(kind, {})]
        if not gaps:
            continue
        kind, gap = min(gaps, key=lambda one: 1.0 if one[1]["p_holm"] is None else one[1]["p_holm"])
        who = "ages" if kind == "age_band" else "faces labelled"
        scale = 100 if unit == "%" else 1
        worst, best = (f"{scale * gap[name]:.1f}{'%' if unit == '%' else ' years'}" for name in ("worst_value", "best_value"))
        is_clear = gap["p_holm"] is not None and gap["p_holm"] < fairness["level"]
        chance = "more than chance explains" if is_clear else "the tests do not exclude chance"
        sentences.append(
            f"The {what} is largest for {who} {gap['worst']} ({worst}) and smallest for {who} {gap['best']} ({best}); {chance}."
        )
    return sentences


def _interval(values: Mapping[str, Any]) -> list[str]:
    levels = ((values.get("uncertainty") or {}).get("age") or {}).get("levels") or {}
    found = (levels.get("90") or {}).get("conformal")
    if not found:
        return []
    width = f"{found['width']:.0f} years"
    return [f"To hold the age of 90 of 100 people, an interval around the estimate must be {width} wide on average."]
