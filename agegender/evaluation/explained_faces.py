"""Grad-CAM maps of some tested faces as a grid."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray

from agegender.data.cache import DecodedImages
from agegender.data.crops import find_regions
from agegender.evaluation.grad_cam import grad_cam
from agegender.metrics.gender import CLASSES
from agegender.models.network import Network
from agegender.sources.crop import Crop
from agegender.sources.faces import image_files

log = logging.getLogger(__name__)

NUMBER = 8  # faces


@dataclass(frozen=True)
class ExplainedFaces:
    """N faces and what raises their estimates.

    Args:
        images: uint8 [N, H, W, 3].
        labels: Text for each face, [N].
        maps: For each task float [N, H, W] in 0..1.
    """

    images: NDArray[np.uint8]
    labels: list[str]
    maps: Mapping[str, NDArray[np.float32]]

    def figure(self, faces: bool) -> Figure:
        """A column for each face and a row for each task.

        Args:
            faces: Whether the maps lie over the faces. If not, no face is shown.
        """
        figure = Figure(figsize=(1.5 * len(self.images) + 0.8, 1.8 * len(self.maps) + 0.2), layout="constrained")
        grid = figure.subplots(len(self.maps), len(self.images), squeeze=False)
        for axes_of_task, (task, maps) in zip(grid, self.maps.items(), strict=True):
            axes_of_task[0].set_ylabel(task)
            for axes, image, heat in zip(axes_of_task, self.images, maps, strict=True):
                axes.set(xticks=[], yticks=[])
                if faces:
                    axes.imshow(image)
                axes.imshow(colormaps["viridis"](heat), alpha=0.5 if faces else 1.0)
        for axes, label in zip(grid[0], self.labels, strict=True):
            axes.set_title(label, fontsize="small")
        return figure


def explain_faces(
    network: Network, faces: pd.DataFrame, roots: Mapping[str, Path], crops: Mapping[str, Crop], number: int = NUMBER
) -> ExplainedFaces | None:
    """Computes the maps of some faces, from the youngest to the oldest.

    Args:
        network: In evaluation mode, on any device.
        faces: A face table.
        roots: Folder of each dataset.
        crops: The crop of each dataset.
        number: Largest number of faces.

    Returns:
        None, with a warning, if an image is missing or the backbone has no feature map.
    """
    order = faces.sort_values(["age_low", "dataset", "path"], ignore_index=True)
    some = order.iloc[np.unique(np.linspace(0, len(order) - 1, number).astype(int))]
    files = image_files(some, roots)
    device = next(network.parameters()).device
    try:
        outside = next(iter(crops.values())).outside
        pixels = DecodedImages(files, network.image_size, find_regions(some, crops), outside)[np.arange(len(files))]
        images = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))).to(device)
        maps = {task: grad_cam(network, images, task).cpu().numpy() for task in network.heads}
    except Exception as error:  # a map is an extra: the test itself is complete
        log.warning("no Grad-CAM: %s", error)
        return None
    return ExplainedFaces(pixels, [_label(face) for face in some.to_dict("records")], maps)


def _label(face: Mapping[str, object]) -> str:
    """For example ``28, male``, as labelled."""
    low, high, gender = face["age_low"], face["age_high"], face["gender"]
    age = "" if pd.isna(low) else f"{low:g}" if low == high else f"{low:g}-{high:g}"
    return ", ".join(part for part in (age, "" if pd.isna(gender) else CLASSES[int(str(gender))]) if part)
