"""From files on disk to batches: one Lightning data module for every source, split and augmentation."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader
from tqdm import tqdm

from agegender.data.batches import BatchIndex, EvalBatches, TrainBatches
from agegender.data.cache import INTERPOLATION, DecodedImages, ImageCache, cache_root, usable_cores
from agegender.data.dataset import FaceDataset, Images
from agegender.data.duplicates import resolve
from agegender.data.features import FeatureCache, Features
from agegender.data.near_copies import tie_near_copies
from agegender.data.scan import scan
from agegender.data.splits import Split, checksum, split_csv
from agegender.errors import AgeGenderError
from agegender.sources.faces import PARTS, FaceTable, Skipped, Source, concat
from agegender.sources.images import DECODER

log = logging.getLogger(__name__)

MAX_WORKERS = 8

Duplicates = Literal["keep", "drop_conflicting", "drop"]


def read_faces(
    sources: Mapping[str, Source], cache_dir: Path | None, progress: bool = True, near_copies: int | None = None
) -> FaceTable:
    """Reads all sources and decodes every file once, to know which are faces.

    Args:
        sources: By any name; read in this order.
        cache_dir: Where the outcome is remembered, so that a second call opens no image; None for not at all.
        progress: Show a bar if there is a terminal.
        near_copies: Bits of 256 in which near-identical pictures may differ; None for byte-identical ones alone.

    Returns:
        Every readable face, with the further columns ``sha256``, ``phash`` and ``row`` (its own row number, which finds
        its image again after later stages have left faces out), copies in one group.

    Raises:
        AgeGenderError: There is not a single readable face.
    """
    table = tie_near_copies(scan(concat([source.read() for source in sources.values()]), cache_dir, progress), near_copies)
    if not len(table):
        folders = ", ".join(str(source.root) for source in sources.values())
        raise AgeGenderError(f"no readable face in {folders}{_reasons(table.skipped)}")
    table.frame["row"] = np.arange(len(table))
    return table


def select_faces(faces: FaceTable, split: Split, age_range: Sequence[float], duplicates: Duplicates) -> FaceTable:
    """Leaves out what cannot be used and gives every other face its part.

    Args:
        faces: As ``read_faces`` returns them.
        split: A ``Split``.
        age_range: Youngest and oldest age, years: faces whose interval does not touch it are left out. Faces without
            an age stay.
        duplicates: What becomes of byte-identical copies.
    """
    low, high = age_range
    outside = (faces.frame["age_high"] < low) | (faces.frame["age_low"] > high)  # false for unknown ages
    table = faces.where(~outside, reason=f"age outside age_range=[{low:g}, {high:g}]")
    if outside.any():
        table.notes.append(f"{outside.sum()} faces left out: their age is outside age_range=[{low:g}, {high:g}]")
    table = split.assign(table, clean=lambda written: resolve(written, duplicates))
    if not len(table):
        raise AgeGenderError(f"no face is left for the split {split.name!r}{_reasons(table.skipped)}")
    return table


class FaceDataModule(LightningDataModule):
    """Faces for a Trainer, which must be built with ``use_distributed_sampler=False``: ranks share faces out here.

    After ``setup`` there are ``table`` (a ``FaceTable`` with its split; ``index`` in a batch is a row of it),
    ``split_name``, ``split_csv``, ``split_sha256`` and ``skipped``.

    Args:
        sources: Sources of faces, by any key; each has a name of its own.
        split: A ``Split``.
        sampler: ``PlainSampler``, ``AgeBalancedSampler`` or ``DatasetSampler``.
        augment: Maps (images, seed) to images; training only.
        image_size: Side of the square images, pixels.
        age_range: Youngest and oldest age, years; faces outside are left out.
        duplicates: What becomes of byte-identical copies.
        near_copies: Bits of 256 in which the perceptual hashes of pictures in one group may differ; None ties only
            byte-identical ones.
        tasks: ``age``, ``gender``: faces with a label for none of them are not trained on.
        batch_size: Faces a process sees a step.
        num_workers: Loading processes; None for none beside a CPU trainer (the model keeps the cores busy), else a
            process's share of the cores, at most 8.
        cache: ``disk`` decodes once into a memory-mapped file, ``none`` at every use and remembers nothing.
        cache_dir: Folder for that; None for ``$XDG_CACHE_HOME/agegender`` or ``~/.cache/agegender``.
        seed: Of order and augmentation.
        progress: Show bars if there is a terminal.
    """

    def __init__(
        self,
        sources: Mapping[str, Any],
        split: Any,
        sampler: Any,
        augment: Any,
        image_size: int,
        age_range: Sequence[float],
        duplicates: Literal["keep", "drop_conflicting", "drop"] = "drop_conflicting",
        near_copies: int | None = None,
        tasks: Sequence[Literal["age", "gender"]] = ("age", "gender"),
        batch_size: int = 32,
        num_workers: int | None = None,
        cache: Literal["disk", "none"] = "disk",
        cache_dir: str | None = None,
        seed: int = 0,
        progress: bool = True,
    ) -> None:
        super().__init__()
        # A rank without a face of a small part has no batch; metrics are reduced at the end of the epoch.
        self.allow_zero_length_dataloader_with_multiple_devices = True
        if batch_size < 1 or image_size < 1:
            raise AgeGenderError(f"loader.batch_size={batch_size}, image_size={image_size}: both must be at least 1")
        self.sources: dict[str, Source] = {source.name: source for source in sources.values()}
        if len(self.sources) < len(sources):
            raise AgeGenderError(
                f"data.sources: {len(sources)} sources share the names {', '.join(self.sources)}; give each its own"
            )
        self.split = split
        self.sampler = sampler
        self.augment = augment
        self.image_size = image_size
        self.age_range = age_range
        self.duplicates: Duplicates = duplicates
        self.near_copies = near_copies
        self.tasks = tasks
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.cache_dir = cache_root(cache_dir) if cache == "disk" else None
        self.seed = seed
        self.progress = progress
        self._images: Images | None = None
        self._features: dict[str, Features] = {}

    def prepare_data(self) -> None:
        """Scans the files and builds the cache in one process a machine; the others only open what it made."""
        self._load()

    def setup(self, stage: str | None = None) -> None:
        """Reads, cleans and splits the faces; doing it again changes nothing.

        Args:
            stage: ``fit``, ``validate``, ``test`` or ``predict``: which parts must not be empty. None checks nothing.

        Raises:
            AgeGenderError: A part that the stage needs is empty, or its faces lack every label of a task.
        """
        self._load()
        needed = {"fit": ("train", "val"), "validate": ("val",), "test": ("test",), "predict": ("test",)}
        for part in needed.get(stage or "", ()):
            if part == "val" and self.trainer is not None and not self.trainer.limit_val_batches:
                continue
            self._require(part)

    def _load(self) -> None:
        if self._images is not None:
            return
        faces = read_faces(self.sources, self.cache_dir, self.progress, self.near_copies)
        self.table = select_faces(faces, self.split, self.age_range, self.duplicates)
        self.skipped: list[Skipped] = self.table.skipped
        self.split_name = self.split.describe(faces)
        self.split_csv = split_csv(self.table)
        self.split_sha256 = checksum(self.split_csv)
        # All readable faces are cached, so that another split, age range or rule for duplicates finds them there.
        if self.cache_dir is None:
            self._images = DecodedImages(faces.files(), self.image_size)
        else:
            hashes = faces.frame["sha256"].tolist()
            self._images = ImageCache.open_or_build(faces.files(), hashes, self.image_size, self.cache_dir, self.progress)

    def _require(self, part: str) -> None:
        counts = self.table.frame["split"].value_counts()
        if not counts.get(part, 0):
            sizes = ", ".join(f"{name} {counts.get(name, 0)}" for name in PARTS)
            raise AgeGenderError(f"the {part} part is empty ({sizes}): more faces or another split are needed")
        if part == "train":
            inside = (self.table.frame["split"] == part).to_numpy()
            for task in self.tasks:
                if not (inside & self._labelled(task)).any():
                    raise AgeGenderError(f"tasks: {task} cannot be learned, no face of the train part has a label for it")

    def _labelled(self, task: str) -> np.ndarray:
        return self.table.frame[{"age": "age_low", "gender": "gender"}[task]].notna().to_numpy(dtype=bool)

    @property
    def batches_per_epoch(self) -> int:
        """Training batches of a process in an epoch.

        Known without a data loader: asking the Trainer (``estimated_stepping_batches``) would make it start the loading
        processes before it has restored the epoch of a resumed run, and they would begin with the first epoch's order.
        """
        return len(self._train_batches())

    def _inside(self, part: str) -> np.ndarray:
        return (self.table.frame["split"] == part).to_numpy(dtype=bool)

    def _learnable(self) -> np.ndarray:
        return self._inside("train") & np.any([self._labelled(task) for task in self.tasks], axis=0)

    def _train_batches(self) -> TrainBatches:
        chosen = self._learnable()
        return TrainBatches(
            np.flatnonzero(chosen),
            self.batch_size,
            self.seed,
            *self._place(),
            weights=self.sampler.weights(self.table.where(chosen)),
        )

    def train_dataloader(self) -> DataLoader[Any]:
        """Shuffled and augmented batches of the train part."""
        batches = self._train_batches()
        # On resuming, Lightning starts the workers, which ask for their first batches at once, before it calls
        # set_epoch. The restored loop knows already how many epochs were trained (current_epoch is one behind in a
        # checkpoint saved at the end of an epoch).
        if self.trainer is not None:
            batches.set_epoch(self.trainer.fit_loop.epoch_progress.current.processed)  # type: ignore[attr-defined]
        return self._loader(batches, self.augment, self._features.get("train"))

    def val_dataloader(self) -> DataLoader[Any]:
        """The val part in order."""
        return self._eval_loader("val", self._features.get("val"))

    def test_dataloader(self) -> DataLoader[Any]:
        """The test part in order."""
        return self.loader("test")

    def predict_dataloader(self) -> DataLoader[Any]:
        """The test part in order."""
        return self.loader("test")

    def loader(self, part: Literal["train", "val", "test"]) -> DataLoader[Any]:
        """A part in table order, not augmented, every face exactly once over all ranks."""
        return self._eval_loader(part, None)

    def _eval_loader(self, part: str, features: Features | None) -> DataLoader[Any]:
        rows = np.flatnonzero(self._inside(part))
        return self._loader(EvalBatches(rows, self.batch_size, *self._place()), None, features)

    def remember_features(
        self, extract: Callable[[torch.Tensor], torch.Tensor], recipe: Sequence[Any], views: int, epochs: float, val: bool
    ) -> None:
        """Computes features once, or finds them computed, and gives them in place of images in the first epochs.

        Batches for training and validating then hold ``features`` instead of ``image``. Those of ``loader`` never do.

        Args:
            extract: Maps uint8 images ``[B, 3, S, S]`` to float32 features ``[B, ...]`` on the CPU.
            recipe: Plain values, others for every ``extract`` that would give other features.
            views: How many augmented views of each training face; epoch e has number e modulo views. 0 for the images
                as they are, which is what validation always has.
            epochs: How many epochs; later ones have images.
            val: For validation too.

        Raises:
            AgeGenderError: The files cannot be written.
        """
        train = np.flatnonzero(self._learnable())
        seen = [self._feature_cache(train, extract, recipe, view) for view in range(views)]
        self._features["train"] = Features(seen or [self._feature_cache(train, extract, recipe, None)], epochs)
        held_out = np.flatnonzero(self._inside("val"))
        if val and len(held_out):
            self._features["val"] = Features([self._feature_cache(held_out, extract, recipe, None)], epochs)

    def _feature_cache(
        self, rows: np.ndarray, extract: Callable[[torch.Tensor], torch.Tensor], recipe: Sequence[Any], view: int | None
    ) -> FeatureCache:
        assert self.cache_dir is not None, "features are remembered on disk"
        augment = None if view is None else self.augment
        batches = [
            BatchIndex(rows[start : start + self.batch_size], _view_seed(self.seed, view or 0, start))
            for start in range(0, len(rows), self.batch_size)
        ]
        hashes = self.table.frame["sha256"].iloc[rows].tolist()
        images = [self.image_size, INTERPOLATION, DECODER, hashes]
        drawn = None if view is None else [repr(augment), self.seed, view, self.batch_size]

        def computed() -> Iterator[np.ndarray]:
            loader = self._loader(batches, augment)
            began = time.perf_counter()
            for batch in tqdm(loader, desc="features", unit="batch", disable=None if self.progress else True):
                yield extract(batch["image"]).numpy()
            log.info("features of %d faces computed in %.0f s", len(rows), time.perf_counter() - began)

        return FeatureCache.open_or_build([*recipe, images, drawn], rows, self.cache_dir, computed())

    def _place(self) -> tuple[int, int]:
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)

    def _loader(self, batches: Iterable[BatchIndex], augment: Any, features: Features | None = None) -> DataLoader[Any]:
        frame = self.table.frame
        assert self._images is not None, "setup() comes first"
        dataset = FaceDataset(
            self._images,
            frame["age_low"].to_numpy(),
            frame["age_high"].to_numpy(),
            frame["gender"].fillna(-1).to_numpy(dtype=np.int64),
            augment,
            frame["row"].to_numpy(),
            frame["dataset"].map({name: number for number, name in enumerate(self.sources)}).to_numpy(dtype=np.int64),
            features,
        )
        device = "cpu" if self.trainer is None else self.trainer.strategy.root_device.type
        workers = self._workers(device)
        return DataLoader(
            dataset,
            batch_size=None,
            sampler=batches,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=device == "cuda",
        )

    def _workers(self, device: str) -> int:
        if self.num_workers is not None:
            return self.num_workers
        if device == "cpu" or self.trainer is None:
            return 0
        return max(0, min(MAX_WORKERS, usable_cores() // self.trainer.num_devices - 1))


def _view_seed(*entropy: int) -> int:
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])


def _reasons(skipped: Sequence[Skipped]) -> str:
    if not skipped:
        return ""
    first = skipped[0]
    return f" ({len(skipped)} files set aside, the first {first.path}: {first.reason})"
