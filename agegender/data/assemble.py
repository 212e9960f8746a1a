"""Builds the data module of a configuration."""

from collections.abc import Mapping
from typing import Any

from agegender.configuration.build import build
from agegender.data.datamodule import FaceDataModule


def assemble(config: Mapping[str, Any]) -> FaceDataModule:
    """Builds the data module with its sources, split, sampler and augmentation; reads no image.

    Args:
        config: A resolved configuration with ``data``, ``split``, ``sampler``, ``augment``, ``loader``, ``image_size``,
            ``age_range``, ``tasks`` and ``seed``.
    """
    return FaceDataModule(
        sources=build(config["data"]["sources"], "data.sources"),
        split=build(config["split"], "split"),
        sampler=build(config["sampler"], "sampler"),
        augment=build(config["augment"], "augment"),
        duplicates=config["data"]["duplicates"],
        # Configurations of earlier versions lack both settings: they grouped identical copies only and kept damaged files.
        near_copies=config["data"].get("near_copies"),
        damaged=config["data"].get("damaged", "keep"),
        **{key: config[key] for key in ("image_size", "age_range", "tasks", "seed")},
        **config["loader"],
    )
