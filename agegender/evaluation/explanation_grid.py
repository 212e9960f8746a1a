"""A grid of faces with the maps of each method: the best, the worst and random ones."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray

TITLES = {"grad_cam": "Grad-CAM", "occlusion": "occlusion"}


def draw_explanations(
    images: NDArray[np.uint8],
    labels: Sequence[str],
    kinds: Sequence[str],
    maps: Mapping[str, NDArray[np.float32]],
    task: str,
    path: Path,
) -> None:
    """Draws a column for each face: the face, then each method's map over it.

    Args:
        images: uint8 [N, H, W, 3].
        labels: Prediction and label of each face, [N].
        kinds: Kind of each face, [N], such as ``best``.
        maps: Of each method, [N, H, W] in 0..1.
        task: ``age`` or ``gender``.
        path: Of the PNG.
    """
    figure = Figure(figsize=(1.25 * len(images) + 1, 1.5 * (len(maps) + 1) + 0.5), layout="constrained")
    what = "gender (binary, by appearance)" if task == "gender" else "age in years"
    figure.suptitle(f"what the estimate of {what} depends on; predicted (labelled)", fontsize="small")
    grid = figure.subplots(len(maps) + 1, len(images), squeeze=False)
    for column, (image, label, kind) in enumerate(zip(images, labels, kinds, strict=True)):
        grid[0, column].set_title(f"{kind}\n{label}", fontsize="xx-small")
        for axes in grid[:, column]:
            axes.imshow(image)
            axes.set(xticks=[], yticks=[])
        for axes, own in zip(grid[1:, column], maps.values(), strict=True):
            heat = colormaps["viridis"](own[column])
            heat[..., 3] = 0.5
            axes.imshow(heat)
    for axes, method in zip(grid[1:, 0], maps, strict=True):
        axes.set_ylabel(TITLES.get(method, method), fontsize="x-small")
    figure.savefig(path, dpi=120)
