"""A module from the sections of a configuration."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from agegender.sources.crop import Crop
from agegender.training.finetuning.earlier_model import EarlierModel
from agegender.training.module import AgeGenderModule

NETWORK = ("backbone", "pool", "trunk", "tower", "head", "gender_head", "image_size")
TRAINING = ("tasks", "balance", "optimizer", "schedule", "monitor", "seed")


def assemble_module(
    config: Mapping[str, Any], licenses: Mapping[str, str], crops: Mapping[str, Crop], earlier: EarlierModel | None = None
) -> AgeGenderModule:
    """Builds network, heads, balance, optimizer and schedule, with initial or pretrained weights.

    Args:
        config: Plain values with the keys of ``conf/train.yaml``.
        licenses: The licence of each dataset, in the order of the datasets; the checkpoint carries it.
        crops: The crop of each dataset; the checkpoint carries it too.
        earlier: The model that the training starts from. The network gets its mean and std where it has none, and no pretrained
            weights; the checkpoint carries its datasets and licences too.
    """
    network = {key: config[key] for key in NETWORK}
    return AgeGenderModule(
        network=earlier.preprocessed(network) if earlier else network,
        **{key: config[key] for key in TRAINING},
        mixup=config.get("mixup"),
        about={
            "age_range": config["age_range"],
            "image_size": config["image_size"],
            "gender": {"0": "male", "1": "female", "meaning": "appearance as judged by others, binary"},
            "data": dict(licenses),
            "crops": {name: asdict(crop) for name, crop in crops.items()},
            **({"earlier": [stage.portable() for stage in earlier.chain]} if earlier else {}),
        },
    )
