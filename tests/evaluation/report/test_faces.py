"""Faces are in a report only if asked for: the ones with the largest errors first, each with estimate and label."""

import re
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from agegender.evaluation.explained_faces import ExplainedFaces
from agegender.evaluation.report.gallery import SIDE
from agegender.evaluation.report.page import page
from agegender.evaluation.report.section import Evidence
from agegender.evaluation.report.writing import report_sections

Make = Callable[..., Evidence]


@pytest.fixture
def drawn(make_faces: Callable[..., pd.DataFrame], tmp_path: Path) -> pd.DataFrame:
    """Fifty faces with files, each of one grey level: five times its number."""
    faces = make_faces(50)
    for number, path in enumerate(faces["path"]):
        cv2.imwrite(str(tmp_path / path), np.full((120, 120, 3), 5 * number, np.uint8))
    return faces


def rendered(evidence: Evidence) -> str:
    return page(evidence, report_sections(evidence))


def test_without_asking_there_is_no_picture(drawn: pd.DataFrame, make_evidence: Make) -> None:
    assert "<img" not in rendered(make_evidence(drawn))


def test_the_faces_with_the_largest_errors_come_first(drawn: pd.DataFrame, make_evidence: Make, tmp_path: Path) -> None:
    drawn.loc[7, "age_pred"] = drawn.loc[7, "age_low"] + 60
    text = rendered(make_evidence(drawn, roots={"faces": tmp_path}))
    gallery = text[text.index('id="worst-ages"') :]
    source, alt = re.findall(r'<img src="data:image/jpeg;base64,([^"]+)" alt="([^"]+)"', gallery)[0]
    image = cv2.imdecode(np.frombuffer(b64decode(source), np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (SIDE, SIDE, 3) and abs(image.mean() - 5 * 7) < 2
    assert alt.startswith(f"{drawn.loc[7, 'age_pred']:.1f} ({drawn.loc[7, 'age_low']:g}), ")
    assert text == rendered(make_evidence(drawn, roots={"faces": tmp_path}))


def test_genders_that_differ_from_the_label_are_sorted_by_certainty(
    drawn: pd.DataFrame, make_evidence: Make, tmp_path: Path
) -> None:
    drawn["probability_female"] = drawn["gender"].astype(float)
    drawn.loc[[3, 4], "gender"], drawn.loc[[3, 4], "probability_female"] = 0, [0.7, 0.9]
    text = rendered(make_evidence(drawn, roots={"faces": tmp_path}))
    gallery = text[text.index('id="wrong-genders"') : text.index('id="random-faces"')]
    assert re.findall(r'alt="[^"]*(female \d+% \(male\))"', gallery) == ["female 90% (male)", "female 70% (male)"]


def test_grad_cam_maps_are_shown_with_the_faces(drawn: pd.DataFrame, make_evidence: Make, tmp_path: Path) -> None:
    maps = {"age": np.random.default_rng(0).random((2, 16, 16)).astype(np.float32)}
    explained = ExplainedFaces(np.zeros((2, 16, 16, 3), np.uint8), ["5, male", "9, female"], maps)
    assert 'id="grad-cam"' in rendered(make_evidence(drawn, roots={"faces": tmp_path}, explained=explained))
