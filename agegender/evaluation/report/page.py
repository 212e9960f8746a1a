"""The report of a test as one HTML file that needs no network."""

from collections.abc import Sequence
from importlib.resources import files

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from agegender.escaping import one_line
from agegender.evaluation.report.headline import headline
from agegender.evaluation.report.section import Evidence, Section
from agegender.evaluation.report.verdict import verdict

TEMPLATES = files("agegender.evaluation.report") / "templates"


def page(evidence: Evidence, sections: Sequence[Section]) -> str:
    """The whole file. Everything that is not written by the templates or drawn by the charts is escaped."""
    environment = Environment(
        loader=FileSystemLoader(str(TEMPLATES)),
        autoescape=True,
        finalize=lambda value: one_line(value) if type(value) is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(
        evidence=evidence,
        sections=sections,
        tiles=headline(evidence),
        verdict=verdict(evidence),
        style=(TEMPLATES / "report.css").read_text(encoding="utf-8"),
        script=(TEMPLATES / "report.js").read_text(encoding="utf-8"),
    )
