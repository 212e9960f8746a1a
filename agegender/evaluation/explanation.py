"""What a model looks at: maps of two methods, how much of them is on the face, and whether they depend on the weights."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor

from agegender.data.cache import DecodedImages
from agegender.data.crops import find_regions
from agegender.evaluation.explanation_grid import draw_explanations
from agegender.evaluation.grad_cam import grad_cam
from agegender.evaluation.occlusion import occlusion
from agegender.metrics.resampling import Draws
from agegender.models.network import Network
from agegender.runs.run_directory import RunDirectory
from agegender.sources.crop import Crop
from agegender.sources.faces import image_files

METHODS: dict[str, Callable[[Network, Tensor, str], Tensor]] = {"grad_cam": grad_cam, "occlusion": occlusion}
# The face on an aligned crop: an ellipse with this centre and these half axes, x and y as shares of the side.
CENTRE, HALF_AXES = (0.50, 0.54), (0.34, 0.44)
BATCH = 16  # images
SHOWN = 5  # faces of each kind in a grid
Maps = dict[str, dict[str, NDArray[np.float32]]]  # by task and method, [N, H, W] in 0..1


def explain_model(
    network: Network,
    faces: pd.DataFrame,
    roots: Mapping[str, Path],
    crops: Mapping[str, Crop],
    number: int,
    seed: int,
    run: RunDirectory | None = None,
) -> dict[str, Any]:
    """Explains a model on random tested faces.

    Args:
        network: In evaluation mode.
        faces: The tested split with predictions; a face table.
        roots: Folder of each dataset.
        crops: The crop of each dataset.
        number: Of random faces.
        seed: Of the random choice.
        run: Where to draw a grid of the best, the worst and random faces of each task; None draws none, so that no face is
            shown.

    Returns:
        What ``measure_explanation`` returns.
    """
    some = faces.sample(min(number, len(faces)), random_state=seed)
    images = load_images(some, roots, crops, network.image_size)
    record = measure_explanation(network, images, maps_of(network, images), seed)
    for task in network.heads if run is not None else ():
        chosen = chosen_faces(faces, task, SHOWN, seed)
        shown = pd.concat(chosen.values())
        if run is None or not len(shown):
            continue
        pixels = load_images(shown, roots, crops, network.image_size)
        kinds = [kind for kind, own in chosen.items() for _ in range(len(own))]
        file = {"age": run.explanation_age, "gender": run.explanation_gender}[task]
        maps = {name: method(network, pixels, task).cpu().numpy() for name, method in METHODS.items()}
        draw_explanations(pixels.permute(0, 2, 3, 1).numpy(), labels_of(shown, task), kinds, maps, task, file)
    return record


def load_images(faces: pd.DataFrame, roots: Mapping[str, Path], crops: Mapping[str, Crop], side: int) -> Tensor:
    """Decodes faces as the network sees them: uint8 [N, 3, S, S].

    Args:
        faces: A face table.
        roots: Folder of each dataset.
        crops: The crop of each dataset.
        side: Pixels.

    Raises:
        AgeGenderError: An image is missing or cannot be read.
    """
    files = image_files(faces, roots)
    outside = next(iter(crops.values())).outside
    pixels = DecodedImages(files, side, find_regions(faces, crops), outside)[np.arange(len(files))]
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))


def maps_of(network: Network, images: Tensor) -> Maps:
    """The maps of some images by every method, for every task of the network.

    Args:
        network: In evaluation mode.
        images: uint8 [N, 3, H, W].
    """
    return {
        task: {
            name: np.concatenate([method(network, batch, task).cpu().numpy() for batch in images.split(BATCH)])
            for name, method in METHODS.items()
        }
        for task in network.heads
    }


def measure_explanation(network: Network, images: Tensor, maps: Maps, seed: int) -> dict[str, Any]:
    """Measures maps.

    Args:
        network: Of which the maps are.
        images: uint8 [N, 3, H, W].
        maps: Of these images.
        seed: Of the bootstrap and of the random weights.

    Returns:
        ``n`` images; ``face_area``, the share of the image inside the face region; and for each task and method
        ``face_share``, the mean share of a map inside it, with ``face_share_ci95``, and ``random_weights_correlation``, the
        mean rank correlation with the maps of the same network after its weights are shuffled: near 0 if the maps explain
        the model (Adebayo et al., NeurIPS 2018). None for a network with maps that are all 0.
    """
    random = maps_of(shuffled(network, seed), images)
    region = face_region(*images.shape[-2:])
    record: dict[str, Any] = {"n": len(images), "face_area": float(region.mean())}
    for task, by_method in maps.items():
        record[task] = {}
        for method, own in by_method.items():
            shares = face_shares(own, region)
            shares = shares[np.isfinite(shares)]
            record[task][method] = {
                "face_share": float(shares.mean()) if len(shares) else None,
                "face_share_ci95": _mean_ci95(shares, seed) if len(shares) else None,
                "random_weights_correlation": correlation(own, random[task][method]),
            }
    return record


def _mean_ci95(values: NDArray[np.float64], seed: int) -> list[float]:
    """95% bootstrap interval of a mean, [low, high]."""
    every = np.arange(len(values))
    times = Draws(every, seed=seed).times(every, slice(None))
    return np.percentile(values @ times / len(values), [2.5, 97.5]).tolist()


def face_region(height: int, width: int) -> NDArray[np.bool_]:
    """Where the face is on an aligned crop, [H, W]."""
    y, x = np.mgrid[:height, :width]
    centred = ((x + 0.5) / width - CENTRE[0]) / HALF_AXES[0], ((y + 0.5) / height - CENTRE[1]) / HALF_AXES[1]
    return centred[0] ** 2 + centred[1] ** 2 <= 1


def face_shares(maps: NDArray[np.float32], region: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The share of each map [N, H, W] inside a region [H, W], [N]; NaN for a map that is all 0."""
    whole = maps.sum(axis=(1, 2), dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return maps[:, region].sum(axis=1, dtype=np.float64) / whole


def correlation(maps: NDArray[np.float32], others: NDArray[np.float32]) -> float | None:
    """Mean Spearman correlation of maps with others of the same images; None if all maps are constant.

    A constant map is left out. The correlation with a constant other map is 0.
    """
    pairs = [(one.ravel(), other.ravel()) for one, other in zip(maps, others, strict=True) if np.ptp(one)]
    return float(np.mean([spearmanr(*pair).statistic if np.ptp(pair[1]) else 0.0 for pair in pairs])) if pairs else None


def shuffled(network: Network, seed: int) -> Network:
    """A copy of a network in which the values of each weight tensor are in random order."""
    copy = deepcopy(network)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in copy.parameters():
            order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
            parameter.copy_(parameter.flatten()[order].view_as(parameter))
    return copy


def chosen_faces(faces: pd.DataFrame, task: str, number: int, seed: int) -> dict[str, pd.DataFrame]:
    """Some faces with a label: those with the ``best`` and the ``worst`` predictions, and ``random`` ones.

    Args:
        faces: A face table with predictions.
        task: ``age`` or ``gender``.
        number: Of each kind, at most.
        seed: Of the random ones.
    """
    known = faces[faces[{"age": "age_low", "gender": "gender"}[task]].notna()]
    order = known.iloc[np.argsort(_errors(known, task), kind="stable")]
    some = order.sample(min(number, len(order)), random_state=seed)
    return {"best": order.iloc[:number], "worst": order.iloc[::-1].iloc[:number], "random": some}


def _errors(faces: pd.DataFrame, task: str) -> NDArray[np.float64]:
    if task == "gender":
        return np.abs(faces["probability_female"].to_numpy(float) - faces["gender"].to_numpy(float))
    guess = faces["age_pred"].to_numpy(float)
    return np.maximum(faces["age_low"].to_numpy(float) - guess, 0) + np.maximum(guess - faces["age_high"].to_numpy(float), 0)


def labels_of(faces: pd.DataFrame, task: str) -> Sequence[str]:
    """Prediction and label of each face for a grid: ``31 (28)`` or ``female 93% (male)``."""
    if task == "age":
        ends = zip(faces["age_pred"], faces["age_low"], faces["age_high"], strict=True)
        return [f"{guess:.0f} ({low:g})" if low == high else f"{guess:.0f} ({low:g}-{high:g})" for guess, low, high in ends]
    names = ("male", "female")
    pairs = zip(faces["probability_female"], faces["gender"], strict=True)
    return [f"{names[int(p > 0.5)]} {max(p, 1 - p):.0%} ({names[int(label)]})" for p, label in pairs]
