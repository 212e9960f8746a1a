"""Builds a W&B workspace and a W&B report for a project of this program.

    python scripts/wandb_dashboard.py ENTITY/PROJECT
    python scripts/wandb_dashboard.py ENTITY/PROJECT --split val --faces

Needs ``pip install agegender[dashboard]`` and ``wandb login``. Each panel shows what ``logger=wandb`` logs. A run without
labels of race, or with few faces in a group, leaves the panels of groups empty.
"""

import argparse
from typing import Any

import wandb_workspaces.reports.v2 as wr
import wandb_workspaces.workspaces as ws

KIND = "race_gender"  # of the groups that are shown
SETTINGS = ("model", "image_size", "optimizer.lr", "seed")  # axes of the parallel coordinates, before the metrics


def accuracy(split: str) -> list[Any]:
    """MAE and gender accuracy by backbone and head, and the other metrics of a comparison."""
    titles = {"age_mae": "MAE (years)", "gender_accuracy": "gender accuracy", "age_cs5": "within 5 years"}
    return [
        wr.BarPlot(
            title=f"{title} by backbone and head",
            metrics=[wr.SummaryMetric(f"{split}/{key}")],
            groupby=wr.Config("model"),
            groupby_aggfunc="mean",
            groupby_rangefunc="stddev",
        )
        for key, title in titles.items()
    ]


def sweeps(split: str) -> list[Any]:
    """Settings and results of all runs as parallel coordinates."""
    columns = [wr.ParallelCoordinatesPlotColumn(wr.Config(name)) for name in SETTINGS]
    columns += [wr.ParallelCoordinatesPlotColumn(wr.SummaryMetric(f"{split}/{key}")) for key in ("age_mae", "gender_accuracy")]
    return [wr.ParallelCoordinatesPlot(title="settings and results", columns=columns)]


def groups(split: str) -> list[Any]:
    """Gaps between groups of people, and the table of groups."""
    gaps = [
        wr.BarPlot(
            title=f"{title}: worst group against best group",
            metrics=[wr.SummaryMetric(f"{split}/gap/{KIND}/{key}")],
            groupby=wr.Config("model"),
            groupby_aggfunc="mean",
        )
        for key, title in (("age_mae", "MAE"), ("gender_accuracy", "gender accuracy"))
    ]
    pictures = [f"{split}/groups-race-gender-{metric}-chart" for metric in ("age-mae", "gender-accuracy")]
    return [*gaps, wr.MediaBrowser(title="metrics by group", media_keys=pictures),
            wr.WeavePanelSummaryTable(table_name=f"{split}/groups-race-gender")]  # fmt: skip


def pictures(split: str, faces: bool) -> list[Any]:
    """Confusion matrices, errors by age, cumulative score, Grad-CAM, and faces if they were logged."""
    shown = {
        "confusion matrices": ("confusion-age-range", "confusion-gender"),
        "predicted against labelled age": ("predicted-ages",),
        "error and bias by age": ("error-by-age",),
        "share of faces within a number of years": ("cumulative-score",),
        "Grad-CAM": ("grad_cam",),
        **({"faces": ("faces",)} if faces else {}),
    }
    return [wr.MediaBrowser(title=title, media_keys=[f"{split}/{name}" for name in names]) for title, names in shown.items()]


def training() -> list[Any]:
    """Curves of loss, MAE and gender accuracy."""
    return [wr.LinePlot(title=name, y=[f"train/{name}", f"val/{name}"]) for name in ("loss", "age_mae", "gender_accuracy")]


def speed() -> list[Any]:
    """Throughput, waiting for data, and memory of each epoch."""
    return [wr.LinePlot(title=name, y=[f"speed/{name}"]) for name in ("images_per_second", "data_wait", "peak_memory_gb")]


def sections(split: str, faces: bool) -> dict[str, list[Any]]:
    """All panels by the title of their section."""
    return {
        "Accuracy": accuracy(split),
        "Sweeps": sweeps(split),
        "Groups of people": groups(split),
        "Plots of the test": pictures(split, faces),
        "Training": training(),
        "Speed": speed(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", metavar="ENTITY/PROJECT")
    parser.add_argument("--split", choices=("test", "val"), default="test", help="tested split of the runs")
    parser.add_argument("--faces", action="store_true", help="also a panel for faces, for runs with logger.wandb.faces=true")
    arguments = parser.parse_args()
    entity, separator, project = arguments.project.partition("/")
    if not (entity and separator and project) or "/" in project:
        parser.error(f"{arguments.project}: expected ENTITY/PROJECT")

    found = sections(arguments.split, arguments.faces)
    workspace = ws.Workspace(
        entity=entity,
        project=project,
        name="agegender",
        sections=[ws.Section(name=title, panels=panels, is_open=True) for title, panels in found.items()],
    )
    workspace.save()
    print(f"workspace: {workspace.url}")

    runs = wr.Runset(entity=entity, project=project)
    blocks = [wr.TableOfContents(), wr.P("Gender and race labels are appearance as judged by others; gender is binary.")]
    for title, panels in sections(arguments.split, arguments.faces).items():
        blocks += [wr.H1(title), wr.PanelGrid(runsets=[runs], panels=panels)]
    report = wr.Report(entity=entity, project=project, title="Estimates of age and gender", blocks=blocks)
    report.save()
    print(f"report: {report.url}")


if __name__ == "__main__":
    main()
