"""The same faces cropped at several scales."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from torch.utils.data import DataLoader

from agegender.data.cache import DecodedImages
from agegender.data.crops import find_regions
from agegender.data.datamodule import FaceDataModule
from agegender.data.dataset import FaceDataset
from agegender.sources.faces import image_files


def loader_at_scales(data: FaceDataModule, rows: np.ndarray, scales: Sequence[float]) -> tuple[DataLoader[Any], pd.DataFrame]:
    """Batches of some faces at each scale. The scales of a face follow each other, so that its picture is decoded once.

    Args:
        data: Set up. Its ``fit`` and ``outside`` are used.
        rows: Of its face table, int64 [N].
        scales: Values of ``data.crop_scale``, [S].

    Returns:
        The loader, and the face table of its batches, N * S rows with the column ``scale``.
    """
    faces = data.table.frame.iloc[rows]
    found = [find_regions(faces, {name: replace(crop, scale=scale) for name, crop in data.crops.items()}) for scale in scales]
    table = faces.loc[faces.index.repeat(len(scales))].reset_index(drop=True)
    table = table.assign(scale=np.tile(scales, len(faces)), row=np.arange(len(table)))
    regions = [one for of_face in zip(*found, strict=True) for one in of_face]
    images = DecodedImages(image_files(table, data.table.roots), data.image_size, regions, data.outside)
    return data.load(FaceDataset.of(table, images, data.sources), data.eval_batches(np.arange(len(table)))), table
