"""The files of a report."""

from pathlib import Path

from agegender.evaluation.report.section import Evidence
from agegender.evaluation.report.writing import write_report
from agegender.runs.run_directory import RunDirectory


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_page_and_its_plots_are_written_and_the_same_twice(evidence: Evidence, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_report(RunDirectory(tmp_path / name), evidence)
    written = content(tmp_path / "one")
    assert written == content(tmp_path / "two")
    assert written["modelcard.md"].startswith(b"# Model card: model\n")
    page = written["report.html"].decode()
    plots = {name.removeprefix("figures/") for name in written if name.startswith("figures/")}
    names = {plot.partition(".")[0] for plot in plots}
    assert plots == {f"{name}.{kind}" for name in names for kind in ("png", "svg")}
    assert len(names) >= 5 and all(f'<figure id="{name}">' in page for name in names)
