"""The robustness section: a curve for each change, a table of all levels, and nothing where it was not measured."""

import dataclasses

import pandas as pd
import pytest

from agegender.data.corruptions import CORRUPTIONS, Corrupted
from agegender.evaluation.report.page import page
from agegender.evaluation.report.section import Evidence
from agegender.evaluation.report.sections.robustness import section
from agegender.evaluation.robustness import measure_robustness


def with_robustness(evidence: Evidence, faces: pd.DataFrame) -> Evidence:
    def predict(corrupted: Corrupted) -> pd.DataFrame:
        worse = CORRUPTIONS[corrupted.kind].levels.index(corrupted.level) + 1
        return faces.assign(age_pred=faces["age_low"] + worse) if "age_pred" in faces else faces

    record, _ = measure_robustness(faces, predict)
    return dataclasses.replace(evidence, metrics={**evidence.metrics, "robustness": record})


def test_each_change_has_a_curve_and_each_level_a_row(evidence: Evidence, estimated: pd.DataFrame) -> None:
    found = section(with_robustness(evidence, estimated))
    assert found is not None and len(found.charts) == len(CORRUPTIONS)
    blur = found.charts[0]
    clean = evidence.values["age_mae"]
    assert blur.listed == [f"none: {clean:.2f}", "1: 1.00", "2: 2.00", "4: 3.00", "8: 4.00"]
    assert f"MAE is {clean:.2f} on unchanged faces; the worst is" in blur.summary
    (table,) = found.tables
    assert len(table.rows) == 1 + sum(len(one.levels) for one in CORRUPTIONS.values())
    looser = [row for row in table.rows if "looser" in row.cells[0].text]
    assert len(looser) == 3 and all("artificial" in row.note for row in looser)
    assert "Robustness" in page(evidence, [found])


def test_a_model_of_gender_alone_has_curves_of_accuracy(evidence: Evidence, estimated: pd.DataFrame) -> None:
    found = section(with_robustness(evidence, estimated.drop(columns="age_pred")))
    assert found is not None and found.charts[0].title == "gender accuracy: blur" and "age" not in found.tables[0].columns


def test_nothing_is_shown_where_it_was_not_measured(evidence: Evidence) -> None:
    assert section(evidence) is None


@pytest.mark.parametrize("key", ["artificial", "unit"])
def test_the_unit_and_the_hint_are_shown(key: str, evidence: Evidence, estimated: pd.DataFrame) -> None:
    found = section(with_robustness(evidence, estimated))
    assert found is not None
    text = page(evidence, [found])
    assert {"artificial": "invents pixels", "unit": "percent of the side"}[key] in text
