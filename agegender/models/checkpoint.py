"""A model as a file that anyone can load: no network connection, no other file, and no code of the file's runs."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch

from agegender.configuration.build import build
from agegender.errors import AgeGenderError
from agegender.models.network import Network


def build_network(config: Mapping[str, Any], tasks: Sequence[str]) -> Network:
    """Builds the network from its sections of the configuration, with heads for the given tasks.

    Args:
        config: Plain values under ``backbone``, ``pool``, ``trunk``, ``tower``, ``head``, ``gender_head``, ``image_size``.
        tasks: Of ``age`` and ``gender``.
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


def read_checkpoint(path: str | Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Tensors and plain values of a checkpoint; an object that would need code to load is refused.

    Raises:
        AgeGenderError: The file is missing, damaged, or holds more than tensors and plain values.
    """
    try:
        checkpoint = torch.load(path, map_location=map_location, weights_only=True)
    except FileNotFoundError as error:
        raise AgeGenderError(f"{path}: there is no such checkpoint") from error
    except Exception as error:  # torch reports damage through many exception types
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise AgeGenderError(f"{path}: cannot be read as a checkpoint of tensors and plain values: {reason[0]}") from error
    if not isinstance(checkpoint, dict):
        raise AgeGenderError(f"{path}: not a checkpoint, but a {type(checkpoint).__name__}")
    return checkpoint


def portable(config: Mapping[str, Any], network: Network) -> dict[str, Any]:
    """The network's configuration with the preprocessing resolved and without a source of weights to fetch again."""
    portable = without_weights(config)
    if "mean" in portable["backbone"]:
        backbone: Any = network.backbone
        portable["backbone"] |= {"mean": list(backbone.mean), "std": list(backbone.std)}
    return portable


def without_weights(config: Mapping[str, Any]) -> dict[str, Any]:
    """The network's configuration without a source of weights."""
    plain = deepcopy(dict(config))
    off = {"pretrained": False, "weights": None}
    plain["backbone"] = {key: off.get(key, value) for key, value in plain["backbone"].items()}
    return plain
