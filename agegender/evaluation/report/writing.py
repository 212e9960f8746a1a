"""Writes the report of a test: one HTML page, and its plots as PNG and SVG."""

import logging

from agegender.evaluation.report.page import page
from agegender.evaluation.report.section import Evidence
from agegender.evaluation.report.sections import age, gender, groups, origin
from agegender.runs.run_directory import RunDirectory

log = logging.getLogger(__name__)

SECTIONS = (age, gender, groups, origin)  # in the order of the page


def write_report(run: RunDirectory, evidence: Evidence) -> None:
    """Writes ``report.html`` and ``figures/NAME.png`` and ``.svg``. The same evidence gives the same bytes.

    Args:
        run: The run, or the folder of an evaluation.
        evidence: Of the test.
    """
    sections = [found for one in SECTIONS if (found := one.section(evidence)) is not None]
    for section in sections:
        for chart in section.charts:
            chart.write(run.figures)
    run.write_report(page(evidence, sections))
    log.info("report: %s", run.report)
