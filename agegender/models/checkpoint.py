"""A trained network from a checkpoint file, without Lightning. Nothing is downloaded, and no code in the file is run."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from textwrap import shorten
from typing import Any

import torch
from torch import Tensor

from agegender.configuration.build import build
from agegender.configuration.renamed import with_current_targets
from agegender.errors import AgeGenderError
from agegender.models.network import Network
from agegender.models.weights import require_finite
from agegender.regular_files import open_bytes
from agegender.sources.crop import EARLIER, Crop, crop_for

PREFIX = "network."  # of the network's weights among those of an AgeGenderModule


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network, how to prepare its images, what its labels mean, and what it was trained on.

    Attributes:
        network: On the CPU, in evaluation mode. It takes uint8 images and normalises them itself.
        image_size: Side of the square images in pixels.
        crops: How the images of each dataset were cropped and resized in training, by name of the dataset.
        mean: Mean of each RGB channel, of images in 0..1, that the network normalises with.
        std: Standard deviation of each RGB channel, of images in 0..1.
        tasks: Those it estimates, of ``age`` and ``gender``.
        age_range: Lowest and highest age in years.
        gender: Name of each label (``0``: male, ``1``: female) and, as ``meaning``, what the labels stand for: appearance.
        licenses: Licence and source of each dataset that it and the models it started from were trained on, by name.
    """

    network: Network
    image_size: int
    crops: dict[str, Crop]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    tasks: tuple[str, ...]
    age_range: tuple[float, float]
    gender: dict[str, str]
    licenses: dict[str, str]

    @property
    def crop(self) -> Crop:
        """The crop of images of other datasets; ``crop(image, image_size)`` prepares an image as training did.

        Raises:
            AgeGenderError: The datasets of the training had different crops.
        """
        return crop_for("other images", self.crops)


def load_network(path: str | Path) -> TrainedNetwork:
    """Loads a network from a checkpoint file of a run, such as ``RUN_DIR/checkpoints/best.ckpt``.

    The optimizer, the schedule and the balance of the losses are not loaded.

    Raises:
        AgeGenderError: The file is missing, is not a checkpoint of this project, or names a class that is not allowed.
    """
    arguments, weights = read_model(path)
    with errors_named(path):
        network = build_network(arguments["network"], arguments["tasks"])
        network.load_state_dict({k.removeprefix(PREFIX): v for k, v in weights.items() if k.startswith(PREFIX)})
        about = arguments["about"]
        low, high = about["age_range"]
        return TrainedNetwork(
            network=network.eval(),
            image_size=network.image_size,
            crops=recorded_crops(about),
            mean=tuple(network.backbone.mean),
            std=tuple(network.backbone.std),
            tasks=tuple(arguments["tasks"]),
            age_range=(low, high),
            gender=dict(about["gender"]),
            licenses=recorded_licenses(about),
        )


def read_model(path: str | Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Reads what is needed to rebuild the ``AgeGenderModule`` of a checkpoint.

    Class paths of earlier versions are replaced by the current ones. Sources of pretrained weights are removed, so
    that building the network downloads and reads nothing.

    Returns:
        The arguments of its constructor, and its state dict.

    Raises:
        AgeGenderError: The file is missing, is not a checkpoint of this project, or has weights that are not finite.
    """
    checkpoint = read_checkpoint(path)
    arguments = checkpoint.get("hyper_parameters")
    if not isinstance(arguments, dict) or "network" not in arguments or "state_dict" not in checkpoint:
        raise AgeGenderError(f"{path}: not a checkpoint of agegender (it has no hyper_parameters or no state_dict)")
    with errors_named(path):
        arguments, weights = with_current_targets(arguments), dict(checkpoint["state_dict"])
        network = {**arguments["network"], "backbone": dict(arguments["network"]["backbone"])}
        require_finite({name: value for name, value in weights.items() if name.startswith(PREFIX)})
        return {**arguments, "network": without_weights(network)}, weights


def recorded_crops(about: Mapping[str, Any]) -> dict[str, Crop]:
    """The crop of each dataset that a model was trained on, by name. Earlier versions stretched whole images.

    Args:
        about: The argument of that name of an ``AgeGenderModule``.

    Raises:
        AgeGenderError: A value is not allowed.
    """
    recorded = about.get("crops") or {}
    return {name: Crop(**recorded[name]) if name in recorded else EARLIER for name in about.get("data") or ["faces"]}


def recorded_licenses(about: Mapping[str, Any]) -> dict[str, str]:
    """Licence of each dataset that a model and the models it started from were trained on, by name, the earliest first.

    Args:
        about: The argument of that name of an ``AgeGenderModule``.
    """
    earlier = {name: text for stage in about.get("earlier") or () for name, text in stage["data"].items()}
    return {**earlier, **about["data"]}


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Reads the tensors and plain values of a checkpoint to the CPU. An object that needs code to load is refused.

    Raises:
        AgeGenderError: The file is missing, damaged, or holds more than tensors and plain values.
    """
    try:
        with open_bytes(path) as file:
            checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise AgeGenderError(f"{path}: there is no such checkpoint") from error
    except UnpicklingError as error:  # torch's own message recommends to load the file with weights_only=False
        raise AgeGenderError(f"{path}: refused: damaged, or holds more than tensors and plain values") from error
    except Exception as error:  # torch reports damage through many exception types
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise AgeGenderError(f"{path}: cannot be read as a checkpoint of tensors and plain values: {reason[0]}") from error
    if not isinstance(checkpoint, dict):
        raise AgeGenderError(f"{path}: not a checkpoint, but a {type(checkpoint).__name__}")
    return checkpoint


@contextmanager
def errors_named(path: str | Path) -> Iterator[None]:
    """Names the checkpoint in the errors of building a model from it.

    Raises:
        AgeGenderError: One line, in place of the errors of missing or wrong arguments and of weights that do not fit.
    """
    try:
        yield
    except AgeGenderError as error:
        raise AgeGenderError(f"{path}: {error}") from error
    except (TypeError, KeyError, ValueError, AttributeError, RuntimeError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else shorten(str(error), 300, placeholder=" ...")
        raise AgeGenderError(f"{path}: does not fit this version of agegender: {reason}") from error


def build_network(config: Mapping[str, Any], tasks: Sequence[str]) -> Network:
    """Builds the network that a configuration describes.

    Args:
        config: Plain values of the sections ``backbone``, ``pool``, ``trunk``, ``tower``, ``head``, ``gender_head`` and
            ``image_size``.
        tasks: Of ``age`` and ``gender``; each gets a head.

    Raises:
        AgeGenderError: A class is not allowed in its section, or the layers do not fit each other.
    """
    head_keys = {"age": "head", "gender": "gender_head"}
    return Network(
        backbone=build(config["backbone"], "backbone"),
        pool=config["pool"],
        trunk=build(config["trunk"]["layers"], "trunk.layers"),
        towers={task: build(config["tower"][task], f"tower.{task}") for task in tasks},
        heads={task: build(config[head_keys[task]], head_keys[task]) for task in tasks},
        image_size=config["image_size"],
    )


def portable(config: Mapping[str, Any], network: Network) -> dict[str, Any]:
    """The configuration of a network for its checkpoint: mean and std as numbers, no source of pretrained weights."""
    portable = without_weights(config)
    if "mean" in portable["backbone"]:
        portable["backbone"] |= {"mean": list(network.backbone.mean), "std": list(network.backbone.std)}
    return portable


def without_weights(config: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a network's configuration without a source of pretrained weights."""
    return {**deepcopy(dict(config)), "backbone": _without_weights(config["backbone"])}


def _without_weights(value: Any) -> Any:
    """A copy of a plain value with ``pretrained: false`` and ``weights: null`` at every depth."""
    if isinstance(value, Mapping):
        off = {"pretrained": False, "weights": None}
        return {key: off[key] if key in off else _without_weights(item) for key, item in value.items()}
    return [_without_weights(item) for item in value] if isinstance(value, list) else deepcopy(value)
