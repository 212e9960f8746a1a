"""Writes the report of a test: one HTML page, its plots as PNG and SVG, and the model card."""

import logging

from agegender.evaluation.report.model_card import model_card
from agegender.evaluation.report.page import page
from agegender.evaluation.report.section import Evidence, Section
from agegender.evaluation.report.sections import (
    age,
    age_gate,
    crop_curve,
    explanation,
    faces,
    gender,
    groups,
    origin,
    robustness,
    uncertainty,
)
from agegender.runs.run_directory import RunDirectory

log = logging.getLogger(__name__)

SECTIONS = (
    age,
    age_gate,
    gender,
    groups,
    uncertainty,
    robustness,
    crop_curve,
    explanation,
    faces,
    origin,
)  # in the order of the page


def report_sections(evidence: Evidence) -> list[Section]:
    """The sections that the test has something for."""
    return [found for one in SECTIONS if (found := one.section(evidence)) is not None]


def write_report(run: RunDirectory, evidence: Evidence) -> None:
    """Writes ``report.html``, ``figures/NAME.png`` and ``.svg``, and ``modelcard.md``. The same evidence gives the same bytes.

    Args:
        run: The run, or the folder of an evaluation.
        evidence: Of the test.
    """
    sections = report_sections(evidence)
    for section in sections:
        for chart in section.charts:
            chart.write(run.figures)
    run.write_report(page(evidence, sections))
    run.write_model_card(model_card(evidence, sections))
    log.info("report: %s", run.report)
