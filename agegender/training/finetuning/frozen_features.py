"""Computes the features of a frozen backbone once and trains on them in place of images.

While the whole backbone is frozen, the features of an image are the same in every epoch. They are computed once, with
the network in evaluation mode and in the precision of training, and cached in a file. Later runs with the same backbone
use the same file.

The file's name is a hash of everything that its contents depend on. Weights, images and settings are hashed themselves.
Code, of this project or of a library, cannot be. So every run computes the features of the first few faces, and their
bytes are hashed too: if the code now gives other features, the old file is not used. (On another machine or with another
number of threads the features may differ in their last bits. Then they are computed once more.)
"""

import hashlib
import logging
import math
import time
from collections.abc import Iterator
from typing import Any

import lightning as L
import numpy as np
import torch
from tqdm import tqdm

from agegender.data.augment import Unchanged
from agegender.data.batches import BatchIndex
from agegender.data.cache import region_recipe
from agegender.data.datamodule import FaceDataModule
from agegender.data.features import FeatureCache, Features
from agegender.sources.images import DECODER
from agegender.sources.resizing import INTERPOLATION

log = logging.getLogger(__name__)

PROBE = 8  # faces that every run computes the features of


def use_cached_features(
    trainer: L.Trainer, module: Any, data: FaceDataModule, views: int | None, epochs: float, finished: int, key: str
) -> None:
    """Replaces images by cached features in the first epochs, if at least two whole epochs can use them.

    Args:
        trainer: A Trainer at the start of ``fit``.
        module: An ``AgeGenderModule``. Its backbone is put into evaluation mode.
        data: Set up. The features are added to its ``features``.
        views: See ``Freezing``.
        epochs: Number of epochs, from the first, in which the whole backbone is frozen.
        finished: Number of epochs that a resumed run has finished.
        key: Name of the settings in messages, such as ``finetune.frozen``.

    Raises:
        AgeGenderError: The files cannot be written.
    """
    reached = min(epochs, trainer.max_epochs if trainer.max_epochs and trainer.max_epochs > 0 else math.inf)
    if views == 0 or reached < 2 or finished >= reached or not _all(trainer.limit_train_batches):
        return
    augmented = not isinstance(data.augment, Unchanged | None)
    if data.cache_dir is None:
        log.info("the frozen backbone runs in every epoch: loader.cache=none")
        return
    if augmented and views is None:
        log.info(
            "the frozen backbone runs in every epoch: images are augmented differently in each. To cache features instead: "
            "augment=none or %s.views=8", key,
        )  # fmt: skip
        return
    log.info("the frozen backbone runs once per face: its features are cached in %s", data.cache_dir / "features")
    numbers: list[int | None] = [None]
    if augmented and views is not None:
        numbers = list(range(int(min(views, reached))))  # a resumed, longer run adds more
        if views >= reached:
            log.info(
                "%s.views=%d: each of the %d epochs has a view of its own, so cached features save time only in later runs",
                key, views, reached,
            )  # fmt: skip
    module.network.backbone.eval()
    backbone = _backbone_recipe(trainer, module)
    data.features["train"] = Features([_cache(trainer, module, data, "train", view, backbone) for view in numbers], epochs)
    if _all(trainer.limit_val_batches) and len(data.rows("val")):
        data.features["val"] = Features([_cache(trainer, module, data, "val", None, backbone)], epochs)


def _cache(
    trainer: L.Trainer, module: Any, data: FaceDataModule, split: str, view: int | None, backbone: list[Any]
) -> FeatureCache:
    """Opens the features of a split, and computes them if they are not cached; a view of None has no augmentation."""
    assert data.cache_dir is not None, "features are cached on disk"
    rows = data.learnable_rows() if split == "train" else data.rows(split)
    augment = None if view is None else data.augment
    starts = range(0, len(rows), data.batch_size)
    loader = data.batches(
        [BatchIndex(rows[start : start + data.batch_size], _seed(data.seed, view or 0, start)) for start in starts], augment
    )

    def extract(batch: dict[str, torch.Tensor]) -> torch.Tensor:
        with torch.no_grad(), trainer.precision_plugin.val_step_context():
            return module.network.features(batch["image"].to(module.device)).float().cpu()

    def probed() -> tuple[str, bool, list[int]]:
        features = extract(loader.dataset[BatchIndex(rows[:PROBE], _seed(data.seed, view or 0, 0))])
        channels_last = not features.is_contiguous() and features.is_contiguous(memory_format=torch.channels_last)
        return _fingerprint(features), channels_last, list(features.shape[1:])

    # Features may differ between ranks in their last bits. All ranks must open the same file, so rank 0 decides.
    fingerprint, channels_last, shape = trainer.strategy.broadcast(probed() if trainer.is_global_zero else None)  # type: ignore[misc]
    named = split if view is None else f"{split}, view {view + 1}"
    log.info("features (%s): %d faces, %.3g GB", named, len(rows), len(rows) * math.prod(shape) * 4 / 1e9)

    def computed() -> Iterator[np.ndarray]:
        began = time.perf_counter()
        for batch in tqdm(loader, desc="features", unit="batch", disable=None if data.progress else True):
            yield extract(batch).numpy()
        log.info("features (%s): computed in %.0f s", named, time.perf_counter() - began)

    images = [data.image_size, INTERPOLATION, DECODER, data.table.frame["sha256"].iloc[rows].tolist()]
    images += region_recipe(data.regions(rows), data.outside)
    drawn = None if view is None else [repr(augment), data.seed, view, data.batch_size]
    recipe = [fingerprint, backbone, images, drawn]
    return FeatureCache.open_or_build(recipe, rows, shape, channels_last, data.cache_dir, computed())


def _backbone_recipe(trainer: L.Trainer, module: Any) -> list[Any]:
    """What features depend on besides the images: weights, architecture, precision and device."""
    digest = hashlib.sha256()
    for name, value in module.network.backbone.state_dict().items():
        digest.update(name.encode())
        digest.update(value.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    network = module.hparams["network"]
    architecture = {name: network[name] for name in ("backbone", "pool", "image_size")}
    return [digest.hexdigest(), architecture, str(trainer.precision), module.device.type]


def _fingerprint(features: torch.Tensor) -> str:
    return hashlib.sha256(features.contiguous().numpy().tobytes()).hexdigest()


def _seed(*entropy: int) -> int:
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])


def _all(limit: float) -> bool:
    return isinstance(limit, float) and limit == 1.0  # the integer 1 means one batch
