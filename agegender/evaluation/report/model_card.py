"""The model card of a tested model as Markdown (Mitchell et al., Model Cards for Model Reporting, 2019)."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import chain

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from agegender.escaping import markdown
from agegender.evaluation.report.section import Evidence, Section
from agegender.evaluation.report.sections import origin
from agegender.evaluation.report.verdict import verdict

TEMPLATES = files("agegender.evaluation.report") / "templates"
TABLES = (
    "age-metrics", "gate-thresholds", "gender-metrics", "coverage", "gaps", "groups-age-band", "groups-gender", "groups-race",
    "groups-race-gender",
)  # fmt: skip


@dataclass(frozen=True)
class Use:
    """A use, whether the model is made for it, and why."""

    name: str
    intended: str
    reason: str


USES = (
    Use("research", "yes", "to compare methods, datasets and papers, and to study errors by group"),
    Use("audit", "yes", "to measure how a model of this kind treats groups of people"),
    Use("surveillance", "no", "people who are watched have not agreed, and an estimate is no reason to act on a person"),
    Use("retail analytics", "no", "people must agree; counts of visitors inherit the errors by age and group shown below"),
    Use("health", "no", "how old a face looks is no measure of health; no clinical data were used"),
    Use("forensics", "no", "an estimate is not evidence of age, gender or identity; the intervals are years wide"),
    Use("advertising", "no", "targeting by apparent gender or age treats people by how they look to a model"),
    Use("access control", "no", "the model does not know who a person is; it was not tested against masks or photos"),
    Use(
        "age gate", "not alone",
        "some minors pass and some adults are refused; an estimate is not enough where the law asks for verification",
    ),
)  # fmt: skip


def model_card(evidence: Evidence, sections: Sequence[Section]) -> str:
    """The text of ``modelcard.md``. Every name and number from outside the template is escaped.

    Args:
        evidence: Of the test.
        sections: Of the report, whose tables are repeated.
    """
    environment = Environment(
        loader=FileSystemLoader(str(TEMPLATES)),
        autoescape=False,  # that is for HTML
        finalize=lambda value: markdown(value) if type(value) is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    tables = {table.name: table for table in chain.from_iterable(section.tables for section in sections)}
    return environment.get_template("modelcard.md").render(
        evidence=evidence,
        facts=tables["facts"],
        tables=[tables[name] for name in TABLES if name in tables],
        uses=USES,
        verdict=verdict(evidence),
        limits=origin.LIMITS,
    )
