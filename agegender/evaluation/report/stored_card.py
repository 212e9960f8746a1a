"""The model card of a run that was tested, from what its folder holds."""

from collections.abc import Mapping

from agegender.evaluation.report.model_card import model_card
from agegender.evaluation.report.section import Evidence
from agegender.evaluation.report.writing import report_sections
from agegender.runs.run_directory import RunDirectory


def stored_card(run: RunDirectory, licenses: Mapping[str, str]) -> str | None:
    """The card of the latest test of a run; it is made from metrics and predictions if ``evaluate`` has not written it.

    Args:
        run: The run.
        licenses: Licence of each dataset that the model was trained on.

    Returns:
        Markdown; None if the run was not tested or its predictions were not kept.

    Raises:
        AgeGenderError: A file is damaged.
    """
    test = run.latest_test
    if (card := test.read_model_card()) is not None:
        return card
    faces = test.read_predictions()
    if faces is None or not test.metrics.is_file():
        return None
    metrics = test.read_metrics()
    tested = faces[faces["split"] == metrics["tested"]].reset_index(drop=True)
    evidence = Evidence(
        run.path.resolve().name, metrics, tested, licenses, licenses, run.read_config(), run.read_model(), run.read_versions()
    )
    return model_card(evidence, report_sections(evidence))
