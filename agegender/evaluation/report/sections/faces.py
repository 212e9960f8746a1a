"""Faces with the best, the worst and random estimates, and Grad-CAM maps. Only for tests that may show faces."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from agegender.evaluation.report.chart import pixels
from agegender.evaluation.report.gallery import Gallery, Picture, thumbnail
from agegender.evaluation.report.section import Evidence, Section
from agegender.metrics.gender import CLASSES
from agegender.sources.crop import read_face

NUMBER = 12  # faces of a gallery
TEXT = "Below each face: the estimate, and the label in brackets. The licence of the data may forbid passing these faces on."


def section(evidence: Evidence) -> Section | None:
    """Galleries of faces; None unless the test may show them."""
    if evidence.roots is None:
        return None
    galleries = []
    for name, title, faces in _chosen(evidence.faces):
        pictures = [Picture(_text(face), thumbnail(read_face(evidence.roots[face["dataset"]], face))) for face in faces]
        galleries.append(Gallery(name, title, pictures))
    if evidence.explained is not None:
        text = "Grad-CAM: what raises the estimate, bright, for faces from young to old; one row a task"
        drawn = pixels(evidence.explained.figure(faces=True))
        galleries.append(Gallery("grad-cam", "Where the model looks", [Picture(text, drawn)], is_wide=True))
    return Section("faces", "Faces", [TEXT], galleries=galleries)


def _chosen(faces: pd.DataFrame) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """Name, title and faces of each gallery."""
    found = []
    if "age_pred" in faces:
        error = np.maximum(faces["age_low"] - faces["age_pred"], faces["age_pred"] - faces["age_high"]).clip(lower=0)
        order = faces.assign(error=error).dropna(subset="error").sort_values(["error", "dataset", "path"])
        if len(order):
            found += [
                ("worst-ages", "Largest errors of age", order[::-1].head(NUMBER)),
                ("best-ages", "Smallest errors of age", order.head(NUMBER)),
            ]
    if "probability_female" in faces:
        wrong = faces[faces["gender"].notna() & ((faces["probability_female"] > 0.5) != (faces["gender"] == 1))]
        sure = wrong.assign(sure=(wrong["probability_female"] - 0.5).abs()).sort_values(["sure", "dataset", "path"])[::-1]
        if len(sure):
            found.append(("wrong-genders", "Genders that are surely estimated and labelled otherwise", sure.head(NUMBER)))
    some = faces.sample(min(NUMBER, len(faces)), random_state=0).sort_values(["age_low", "dataset", "path"])
    found.append(("random-faces", "Random faces", some))
    return [(name, title, chosen.to_dict("records")) for name, title, chosen in found]


def _text(face: Mapping[str, Any]) -> str:
    """For example ``31.4 (28), female 93% (male)``."""
    parts = []
    if "age_pred" in face:
        low, high = face["age_low"], face["age_high"]
        label = "?" if pd.isna(low) else f"{low:g}" if low == high else f"{low:g}-{high:g}"
        parts.append(f"{face['age_pred']:.1f} ({label})")
    if "probability_female" in face:
        female = face["probability_female"]
        guess, sure = ("female", female) if female > 0.5 else ("male", 1 - female)
        parts.append(f"{guess} {sure:.0%} ({'?' if pd.isna(face['gender']) else CLASSES[int(face['gender'])]})")
    return ", ".join(parts)
