"""How the images of each dataset of a run are cropped: from the settings to the region of each face."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from agegender.errors import AgeGenderError
from agegender.sources.box import Region, parse_box
from agegender.sources.crop import EARLIER, Crop, crop_for


def choose_crops(
    settings: Mapping[str, Any], datasets: Sequence[str], trained: Mapping[str, Crop] | None = None
) -> dict[str, Crop]:
    """The crop of each dataset.

    Args:
        settings: The section ``data`` of a configuration. ``fit``, ``crop_scale`` and ``outside`` are null for the default:
            of ``Crop`` in training, of the model in evaluation. A configuration of an earlier version lacks the keys.
        datasets: Names of the datasets.
        trained: The crop of each dataset that a model was trained on; None in training.

    Raises:
        AgeGenderError: A value is not allowed, or ``crop_scale`` names an unknown dataset, or it is null although the model
            has no scale for a dataset.
    """
    scales = settings.get("crop_scale", EARLIER.scale)
    by_name = scales if isinstance(scales, Mapping) else dict.fromkeys(datasets, scales)
    if unknown := [name for name in by_name if name not in datasets]:
        raise AgeGenderError(f"data.crop_scale.{unknown[0]}: there is no such dataset. Allowed: {', '.join(datasets)}")
    crops = {}
    for name in datasets:
        scale = by_name.get(name)
        default = Crop() if trained is None else _crop_of_training(name, scale, trained)
        given = {"fit": settings.get("fit", EARLIER.fit), "outside": settings.get("outside", EARLIER.outside), "scale": scale}
        crops[name] = Crop(**{key: getattr(default, key) if value is None else value for key, value in given.items()})
    return crops


def _crop_of_training(dataset: str, scale: float | None, trained: Mapping[str, Crop]) -> Crop:
    """All crops of a training have the same fit, so only a scale that is not given depends on the dataset."""
    return crop_for(dataset, trained) if scale is None else next(iter(trained.values()))


def crop_settings(crops: Mapping[str, Crop]) -> dict[str, Any]:
    """The values of ``data.fit``, ``data.crop_scale`` and ``data.outside`` that give these crops."""
    scales = {name: crop.scale for name, crop in crops.items()}
    one = next(iter(crops.values()))
    return {"fit": one.fit, "crop_scale": scales if len(set(scales.values())) > 1 else one.scale, "outside": one.outside}


def find_regions(faces: pd.DataFrame, crops: Mapping[str, Crop]) -> list[Region | None]:
    """The region of the image that becomes the input of a network, for each face; None for the whole image.

    Args:
        faces: Rows of a face table with ``width`` and ``height`` of the image, and maybe ``box``.
        crops: The crop of each dataset.
    """
    boxes = faces["box"] if "box" in faces else [""] * len(faces)
    sizes = zip(faces["dataset"], faces["width"], faces["height"], boxes, strict=True)
    return [crops[name].region(width, height, parse_box(box) if box else None) for name, width, height, box in sizes]
