"""Grad-CAM maps of several models on the same test faces."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from agegender.comparison.comparison import Comparison
from agegender.comparison.plots import draw_maps
from agegender.configuration.build import build
from agegender.data.crops import choose_crops
from agegender.errors import AgeGenderError
from agegender.evaluation.grad_cam import grad_cam
from agegender.metrics.gender import CLASSES
from agegender.models.network import Network
from agegender.runs.finished_run import Run
from agegender.sources.box import parse_box
from agegender.sources.crop import EARLIER, read_face
from agegender.sources.faces import image_files
from agegender.sources.images import read


def draw(comparison: Comparison, number: int, task: str | None, load: Callable[[Run], Network], path: Path) -> list[str]:
    """Draws maps of every model of a table, on some test faces from the youngest to the oldest.

    Args:
        comparison: The table.
        number: Of faces.
        task: ``age`` or ``gender``; None for age if a model has it, else gender.
        load: Returns the tested network of a run.
        path: Of the PNG.

    Returns:
        A line with the reason for each model without maps. Nothing is drawn if no model has maps.
    """
    try:
        chosen = _chosen(comparison.sample, number)
        roots = _roots(comparison.sample)
        rows = chosen.to_dict("records")
        images = [read(file) for file in image_files(chosen, roots)]
        faces = [read_face(roots[face["dataset"]], face) for face in rows]
        boxes = [parse_box(face["box"]) if face.get("box") else None for face in rows]
    except (AgeGenderError, KeyError) as error:
        return [f"No Grad-CAM: {error}"]
    names, inputs, maps, tasks, failed = [], [], [], set(), []
    for row in comparison.rows:
        try:
            network = load(row.runs[0]).eval()
            explained = task or ("age" if "age" in network.heads else "gender")
            if explained not in network.heads:
                raise AgeGenderError(f"--task {explained}: it has no such task")
            crops = choose_crops(row.runs[0].config["data"], list(roots))
            cropped = [
                crops[name](image, network.image_size, box)
                for name, image, box in zip(chosen["dataset"], images, boxes, strict=True)
            ]
            pixels = torch.from_numpy(np.stack(cropped).transpose(0, 3, 1, 2).copy())
            maps.append(grad_cam(network, pixels, explained).numpy())
        except Exception as error:  # a missing file, one of another version, a layer without a map
            failed.append(f"No Grad-CAM of {row.name}: {error}")
            continue
        names.append(f"{row.name}: {explained}")
        inputs.append(cropped)
        tasks.add(explained)
    if maps:
        side = max(one.shape[-1] for one in maps)
        labels = [", ".join(_label(face, task) for task in sorted(tasks)) for face in chosen.to_dict("records")]
        draw_maps([EARLIER(face, side) for face in faces], labels, names, inputs, maps, path)
    return failed


def _chosen(run: Run, number: int) -> pd.DataFrame:
    faces = run.faces()
    if faces is None:
        raise AgeGenderError(f"{run.path} kept no predictions, so its test faces are not known")
    order = faces.sort_values(["age_low", "dataset", "path"], ignore_index=True)
    return order.iloc[np.unique(np.linspace(0, len(order) - 1, number).astype(int))]


def _roots(run: Run) -> dict[str, Path]:
    """The folder of each dataset that was tested."""
    sources: dict[str, Any] = build(run.config["data"]["sources"], "data.sources")
    return {source.name: Path(source.root) for source in sources.values()}


def _label(face: dict[Any, Any], task: str) -> str:
    if task == "gender":
        return "no gender" if pd.isna(face["gender"]) else CLASSES[int(face["gender"])]
    low, high = face["age_low"], face["age_high"]
    return "no age" if pd.isna(low) else f"{low:g}" if low == high else f"{low:g}-{high:g}"
