"""The crop section: a curve for each main metric, a table of the scales, and nothing where they were not measured."""

import dataclasses

import pandas as pd

from agegender.evaluation.crop_curve import measure_crop_curve
from agegender.evaluation.report.page import page
from agegender.evaluation.report.section import Evidence
from agegender.evaluation.report.sections.crop_curve import section


def with_curve(evidence: Evidence, faces: pd.DataFrame) -> Evidence:
    at = [faces.assign(scale=scale, age_pred=faces["age_low"] + 10 * abs(scale - 0.6) + 1) for scale in (0.5, 0.6, 1.0)]
    record, _ = measure_crop_curve(pd.concat(at), {"faces": 1.0})
    return dataclasses.replace(evidence, metrics={**evidence.metrics, "crop_curve": record})


def test_each_main_metric_has_a_curve_and_each_scale_a_row(evidence: Evidence, estimated: pd.DataFrame) -> None:
    own = with_curve(evidence, estimated)
    found = section(own)
    assert found is not None and [chart.title for chart in found.charts] == [
        "MAE over the crop scale: faces", "gender accuracy over the crop scale: faces"
    ]  # fmt: skip
    assert found.charts[0].listed == ["0.5: 2.00", "0.6: 1.00", "1: 5.00"]
    assert found.charts[0].summary == "MAE is 5.00 at 1, the scale of this test; the best is 1.00 at 0.6."
    (table,) = found.tables
    assert table.columns == ("data.crop_scale", "MAE", "bias", "gender accuracy")
    assert [row[:2] for row in table.values] == [[0.5, 2], [0.6, 1], [1, 5]]
    assert "use data.crop_scale=0.6: MAE 1.00, and 5.00 at 1" in page(own, [found])


def test_nothing_is_shown_where_it_was_not_measured(evidence: Evidence) -> None:
    assert section(evidence) is None
