"""What to report about images that are not square or not used whole."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from agegender.sources.box import parse_box
from agegender.sources.crop import Crop

SQUARE = 1.05
"""Largest ratio of the sides of an image that counts as square."""

FEW = 0.03
"""Largest share of stretched images without a warning."""

_FITTED = {
    "stretch": "they are stretched to squares",
    "crop": "the square at their centre is used",
    "pad": "they are padded to squares",
}


_KINDS = {0: "whole images", 4: "boxes", 8: "aligned boxes"}  # by how many numbers a box has


def region_kinds(faces: pd.DataFrame) -> dict[str, str]:
    """What the faces of each dataset are: ``whole images``, ``boxes`` or ``aligned boxes``, or several of them.

    Args:
        faces: Rows of a face table.
    """
    boxes = faces["box"] if "box" in faces else pd.Series("", index=faces.index)
    kinds = boxes.str.split().str.len().map(_KINDS)
    return {str(name): " and ".join(sorted(set(own))) for name, own in kinds.groupby(faces["dataset"])}


def image_counts(faces: pd.DataFrame, crops: Mapping[str, Crop]) -> dict[str, dict[str, Any]]:
    """For each dataset: its crop, the number of images, and the number of those that are not square.

    Args:
        faces: Rows of a face table with ``width`` and ``height`` of the image.
        crops: The crop of each dataset.
    """
    sides = _sides(faces)
    oblong = sides.max(axis=1, initial=0) > SQUARE * sides.min(axis=1, initial=np.inf)
    counts: dict[str, dict[str, Any]] = {}
    for name, crop in crops.items():
        own = (faces["dataset"] == name).to_numpy(dtype=bool)
        settings = {"fit": crop.fit, "crop_scale": crop.scale, "outside": crop.outside}
        counts[name] = {"n": int(own.sum()), "n_not_square": int(oblong[own].sum()), **settings}
    return counts


def _sides(faces: pd.DataFrame) -> np.ndarray:
    """Width and height of each image or, for a face with a box, of the box, [N, 2]."""
    sides = faces[["width", "height"]].to_numpy(dtype=float)
    if "box" in faces:
        boxed = np.flatnonzero(faces["box"] != "")
        sides[boxed] = np.array([parse_box(box).sides for box in faces["box"].iloc[boxed]]).reshape(-1, 2)
    return sides


def crop_lines(counts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A line for each dataset with images that are not square or not used whole.

    Args:
        counts: As ``image_counts`` returns them.
    """
    lines = []
    for name, own in counts.items():
        facts = []
        if own["n_not_square"]:
            fitted = f"{_FITTED[own['fit']]} (data.fit={own['fit']})"
            facts.append(f"{own['n_not_square']} of {own['n']} images are not square, {fitted}")
        if own["crop_scale"] != 1:
            facts.append(f"the region is scaled by {own['crop_scale']:g} about its centre (data.crop_scale)")
        lines += [f"{name}: {'; '.join(facts)}"] if facts else []
    return lines


def stretch_warnings(counts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A warning for each dataset of which more than ``FEW`` of the images are stretched.

    Args:
        counts: As ``image_counts`` returns them.
    """
    return [
        f"{own['n_not_square']} of {own['n']} images of {name} are not square and are stretched, which changes the shape of "
        "faces: data.fit=crop uses the square at their centre"
        for name, own in counts.items()
        if own["fit"] == "stretch" and own["n_not_square"] > FEW * own["n"]
    ]


def difference_warnings(
    counts: Mapping[str, Mapping[str, Any]],
    crops: Mapping[str, Crop],
    trained: Mapping[str, Crop],
    kinds: Mapping[str, str],
    trained_kinds: Mapping[str, str],
) -> list[str]:
    """A warning for each dataset of which the images are cropped in another way than those that a model was trained on.

    A dataset with square images only has no other fit.

    Args:
        counts: As ``image_counts`` returns them.
        crops: The crop of each dataset.
        trained: The crop of each dataset that the model was trained on.
        kinds: What the faces of each dataset are, as ``region_kinds`` returns it.
        trained_kinds: The same of the datasets that the model was trained on; empty if it was not recorded.
    """
    warnings = []
    for name, crop in crops.items():
        names = [name] if name in trained else list(trained)
        fits, scales = ({getattr(trained[one], key) for one in names} for key in ("fit", "scale"))
        learned = {trained_kinds[one] for one in names if one in trained_kinds}
        if learned and kinds.get(name, "") not in {*learned, ""}:
            warnings.append(f"{name} has {kinds[name]}; the model was trained on {' or '.join(sorted(learned))}")
        if (counts[name]["n_not_square"] == 0 or crop.fit in fits) and crop.scale in scales:
            continue
        texts = sorted({f"data.fit={trained[one].fit} data.crop_scale={trained[one].scale:g}" for one in names})
        warnings.append(
            f"{name} is tested with data.fit={crop.fit} data.crop_scale={crop.scale:g}; the model was trained with "
            f"{' or '.join(texts)}"
        )
    return warnings


def source_warnings(crops: Mapping[str, Crop], trained: Mapping[str, Crop]) -> list[str]:
    """A warning if datasets are tested that the model was not trained on: their faces may be cropped in another way.

    Args:
        crops: The crop of each dataset.
        trained: The crop of each dataset that the model was trained on.
    """
    if not (others := [name for name in crops if name not in trained]):
        return []
    return [
        f"the model was trained on {', '.join(trained)}. Faces of {', '.join(others)} may be cropped more tightly or loosely: "
        "crop_curve=true measures which data.crop_scale the model needs"
    ]
