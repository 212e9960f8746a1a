"""The section on explanations: a row for each task and method, and nothing where the model was not explained."""

import dataclasses

from agegender.evaluation.report.page import page
from agegender.evaluation.report.section import Evidence
from agegender.evaluation.report.sections.explanation import section

AGE = {"face_share": 0.7, "face_share_ci95": [0.65, 0.75], "random_weights_correlation": 0.1}
NONE = {"face_share": None, "face_share_ci95": None, "random_weights_correlation": None}


def test_shares_are_rows_beside_what_chance_gives(evidence: Evidence) -> None:
    record = {"n": 64, "face_area": 0.47, "age": {"grad_cam": AGE, "occlusion": NONE}}
    found = section(dataclasses.replace(evidence, metrics={**evidence.metrics, "explanation": record}))
    assert found is not None
    assert [[cell.text for cell in row.cells] for row in found.tables[0].rows] == [
        ["age", "Grad-CAM", "70.0%", "65.0% to 75.0%", "0.10"],
        ["age", "occlusion", "-", "-", "-"],
    ]
    assert "64 random faces" in found.text[0] and "47% of its area" in found.text[0]
    assert "What the estimates depend on" in page(evidence, [found])


def test_nothing_is_shown_where_the_model_was_not_explained(evidence: Evidence) -> None:
    assert section(evidence) is None
