"""Builds the data module of a configuration."""

from collections.abc import Mapping
from typing import Any

from agegender.configuration.build import build
from agegender.data.crops import choose_crops
from agegender.data.datamodule import FaceDataModule
from agegender.sources.crop import Crop


def assemble(config: Mapping[str, Any], trained: Mapping[str, Crop] | None = None) -> FaceDataModule:
    """Builds the data module with its sources, split, sampler and augmentation; reads no image.

    Args:
        config: A resolved configuration with ``data``, ``split``, ``sampler``, ``augment``, ``loader``, ``image_size``,
            ``age_range``, ``tasks`` and ``seed``.
        trained: The crop of each dataset that a model was trained on, for settings of ``data`` that are null; None in
            training.
    """
    sources = build(config["data"]["sources"], "data.sources")
    return FaceDataModule(
        sources=sources,
        split=build(config["split"], "split"),
        sampler=build(config["sampler"], "sampler"),
        augment=build(config["augment"], "augment"),
        duplicates=config["data"]["duplicates"],
        # Configurations of earlier versions lack these settings: they grouped identical copies only and kept damaged files.
        near_copies=config["data"].get("near_copies"),
        damaged=config["data"].get("damaged", "keep"),
        crops=choose_crops(config["data"], [source.name for source in sources.values()], trained),
        exclude=config["data"].get("exclude"),
        **{key: config[key] for key in ("image_size", "age_range", "tasks", "seed")},
        **config["loader"],
    )
