"""The Lightning data module: from files on disk to batches, for all sources, splits and augmentations."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from agegender.data.batches import BatchIndex, EvalBatches, TrainBatches
from agegender.data.cache import DecodedImages, ImageCache
from agegender.data.cache_file import cache_root
from agegender.data.cores import usable_cores
from agegender.data.crops import find_regions
from agegender.data.dataset import FaceDataset, Images
from agegender.data.duplicates import Policy
from agegender.data.features import Features
from agegender.data.held_out import hold_out_fifth
from agegender.data.scan import Damaged
from agegender.data.split_csv import content_checksum, split_checksum, split_csv
from agegender.data.table import read_faces, select_faces
from agegender.data.timed_loader import TimedLoader
from agegender.errors import AgeGenderError
from agegender.processes import ranks
from agegender.processes.interruption import leave_signals_to_parent
from agegender.sources.box import Region
from agegender.sources.crop import Crop
from agegender.sources.faces import SPLITS, FaceTable, Source
from agegender.sources.resizing import Outside

MAX_WORKERS = 8


class FaceDataModule(LightningDataModule):
    """Faces for a Trainer built with ``use_distributed_sampler=False``: this module divides the faces among the ranks.

    Attributes:
        table: ``FaceTable`` with the split of each face, after ``setup``; ``index`` in a batch is a row of it.
        split_name: Name of the split rule for these faces, after ``setup``.
        split_csv: The split as CSV text, after ``setup``.
        split_sha256: Checksum of the faces, their splits and labels, after ``setup``.
        content_sha256: Checksum of the same and of the images, after ``setup``.
        features: Backbone features that replace the images in the first epochs of training, by split.
        crops: The crop of each dataset, by name.

    Args:
        sources: Sources of faces by key; the name of each source must be unique.
        split: A ``Split``.
        sampler: A class of ``agegender.data.sampler``.
        augment: Maps (images, seed) to images, for training.
        image_size: Side of the square images, pixels.
        age_range: Lowest and highest age, years; faces outside are dropped.
        duplicates: What to do with byte-identical copies.
        near_copies: Largest number of bits (of 256) in which the perceptual hashes of near-identical images differ; None
            looks for byte-identical files only.
        damaged: Whether to ``keep`` or ``skip`` JPEG files that decode only in part.
        crops: The crop of each dataset, by name of the source; by default ``Crop()`` for each.
        exclude: CSV file that lists train and val faces to leave out, in a column ``path``; None leaves out none.
        tasks: ``age`` and ``gender``, or one of them. Faces without a label for any of these tasks are not used in
            training.
        batch_size: Faces per process and step, at least 1.
        num_workers: Number of loader worker processes. ``auto`` or None means, beside a CPU trainer, 0 in the first epoch;
            from the second on, as many as training needs if loading took more than a tenth of the first and more than a
            millisecond a batch. Beside a GPU it means the process's share of the cores minus 1, at most 8.
        cache: ``disk`` decodes images once into a file; ``none`` decodes them at every use and stores
            nothing.
        cache_dir: Folder of the cache; None for ``$XDG_CACHE_HOME/agegender`` or ``~/.cache/agegender``.
        seed: Seed of the order of faces and of augmentation.
        progress: Show progress bars if there is a terminal.

    Raises:
        AgeGenderError: ``batch_size`` or ``image_size`` is below 1, or two sources have the same name.
    """

    def __init__(
        self,
        sources: Mapping[str, Any],
        split: Any,
        sampler: Any,
        augment: Any,
        image_size: int,
        age_range: Sequence[float],
        duplicates: Policy = "drop_conflicting",
        near_copies: int | None = None,
        damaged: Damaged = "skip",
        crops: Mapping[str, Crop] | None = None,
        exclude: str | Path | None = None,
        tasks: Sequence[Literal["age", "gender"]] = ("age", "gender"),
        batch_size: int = 32,
        num_workers: int | Literal["auto"] | None = "auto",
        cache: Literal["disk", "none"] = "disk",
        cache_dir: str | Path | None = None,
        seed: int = 0,
        progress: bool = True,
    ) -> None:
        super().__init__()
        # A rank may have no batch of a small split. Metrics are reduced at the end of the epoch, so this is safe.
        self.allow_zero_length_dataloader_with_multiple_devices = True
        if batch_size < 1 or image_size < 1:
            raise AgeGenderError(f"loader.batch_size={batch_size}, image_size={image_size}: both must be >= 1")
        self.sources: dict[str, Source] = {source.name: source for source in sources.values()}
        if len(self.sources) < len(sources):
            raise AgeGenderError(
                f"data.sources: {len(sources)} sources have the names {', '.join(self.sources)}; each needs a different name"
            )
        self.split = split
        self.sampler = sampler
        self.augment = augment
        self.image_size = image_size
        self.age_range = age_range
        self.duplicates: Policy = duplicates
        self.near_copies = near_copies
        self.damaged: Damaged = damaged
        self.crops = dict(crops or dict.fromkeys(self.sources, Crop()))
        self.exclude = None if exclude is None else Path(exclude).expanduser()
        self.tasks = tasks
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.cache_dir = cache_root(cache_dir) if cache == "disk" else None
        self.seed = seed
        self.progress = progress
        self._images: Images | None = None
        self.features: dict[str, Features] = {}

    def prepare_data(self) -> None:
        """Scans the files and builds the image cache; called in one process per machine, before ``setup``."""
        self._load()

    def setup(self, stage: str | None = None) -> None:
        """Reads, cleans and splits the faces; another call only checks the splits again.

        Args:
            stage: ``fit``, ``validate``, ``test`` or ``predict``: determines the splits that must not be empty. None
                checks nothing.

        Raises:
            AgeGenderError: A split that the stage needs is empty, or no face of the train split has a label of a task.
        """
        self._load()
        needed = {"fit": ("train", "val"), "validate": ("val",), "test": ("test",), "predict": ("test",)}
        for split in needed.get(stage or "", ()):
            if split == "val" and self.trainer is not None and not self.trainer.limit_val_batches:
                continue
            self._require(split)

    def _load(self) -> None:
        if self._images is not None:
            return
        faces = read_faces(self.sources, self.cache_dir, self.progress, self.near_copies, self.damaged)
        self._use(select_faces(faces, self.split, self.age_range, self.duplicates, self.exclude))
        self.split_name = self.split.describe(faces)
        # The cache holds all readable faces, so it also serves another split, age range or treatment of duplicates.
        self._regions = find_regions(faces.frame, self.crops)
        files, size, cropped = faces.files(), self.image_size, (self._regions, self.outside)
        if self.cache_dir is None:
            self._images = DecodedImages(files, size, *cropped)
        else:
            hashes = faces.frame["sha256"].tolist()
            self._images = ImageCache.open_or_build(files, hashes, size, self.cache_dir, self.progress, *cropped, faces.boxes())

    def _use(self, table: FaceTable) -> None:
        self.table = table
        self.split_csv = split_csv(table)
        self.split_sha256 = split_checksum(self.split_csv)
        self.content_sha256 = content_checksum(self.split_csv)

    def drop(self, reasons: Sequence[str]) -> None:
        """Drops faces after ``setup``.

        Args:
            reasons: Why each face of ``table`` is dropped; an empty text keeps it.
        """
        self._use(self.table.where([not reason for reason in reasons], reasons))

    def hold_out(self, split: str) -> bool:
        """After ``setup``, moves a fifth of a split to val for each dataset without val faces.

        Args:
            split: The tested split.

        Returns:
            Whether any face was moved.

        Raises:
            AgeGenderError: See ``hold_out_fifth``.
        """
        table, moved = hold_out_fifth(self.table, split)
        self._use(table)
        self.split_name += moved
        return bool(moved)

    def _require(self, split: str) -> None:
        counts = self.table.frame["split"].value_counts()
        if not counts.get(split, 0):
            sizes = ", ".join(f"{name} {counts.get(name, 0)}" for name in SPLITS)
            raise AgeGenderError(f"the {split} split is empty ({sizes}): use more faces or another split")
        if split == "train":
            for task in self.tasks:
                if not self._labelled(task)[self.rows("train")].any():
                    raise AgeGenderError(f"tasks: {task} cannot be learned, because no face of the train split has its label")

    def _labelled(self, task: str) -> np.ndarray:
        return self.table.frame[{"age": "age_low", "gender": "gender"}[task]].notna().to_numpy(dtype=bool)

    @property
    def outside(self) -> Outside:
        """Pixels of regions beyond the edges of an image, the same for all datasets."""
        return next(iter(self.crops.values())).outside

    def regions(self, rows: np.ndarray) -> list[Region | None]:
        """The region of the image of some rows of the face table; None for the whole image."""
        return [self._regions[row] for row in self.table.frame["row"].iloc[rows]]

    @property
    def image_cache(self) -> Path | None:
        """The file of decoded images; None with ``cache="none"`` or before ``setup``."""
        return self._images.path if isinstance(self._images, ImageCache) else None

    @property
    def batches_per_epoch(self) -> int:
        """Training batches per process and epoch, computed without a data loader.

        The Trainer's ``estimated_stepping_batches`` starts the loader workers. In a resumed run, it does so before the
        epoch is restored, so the workers would load the first epoch's order.
        """
        return len(self._train_batches())

    def rows(self, split: str) -> np.ndarray:
        """Rows of the face table (int64) in the train, val or test split."""
        return np.flatnonzero(self.table.frame["split"] == split)

    def learnable_rows(self) -> np.ndarray:
        """Rows of the train split with a label for at least one task."""
        rows = self.rows("train")
        return rows[np.any([self._labelled(task)[rows] for task in self.tasks], axis=0)]

    def _train_batches(self) -> TrainBatches:
        rows = self.learnable_rows()
        weights = self.sampler.weights(self.table.where(np.isin(np.arange(len(self.table)), rows)))
        return TrainBatches(rows, self.batch_size, self.seed, *self._rank_and_world_size(), weights)

    def train_dataloader(self) -> DataLoader[Any]:
        """Shuffled and augmented batches of the train split."""
        batches = self._train_batches()
        # In a resumed run, Lightning starts the workers before it calls set_epoch, and they load their first batches at
        # once, so the epoch is set here. current_epoch is one too low after a checkpoint from the end of an epoch; the
        # restored loop has the right number.
        if self.trainer is not None:
            batches.set_epoch(self.trainer.fit_loop.epoch_progress.current.processed)  # type: ignore[attr-defined]
        return self.batches(batches, self.augment, self.features.get("train"))

    def val_dataloader(self) -> DataLoader[Any]:
        """Batches of the val split, in table order."""
        return self.loader("val", self.features.get("val"))

    def test_dataloader(self) -> DataLoader[Any]:
        """Batches of the test split, in table order."""
        return self.loader("test")

    def predict_dataloader(self) -> DataLoader[Any]:
        """Batches of the test split, in table order."""
        return self.loader("test")

    def loader(self, split: Literal["train", "val", "test"], features: Features | None = None) -> DataLoader[Any]:
        """Batches of a split in table order, not augmented; over all ranks, every face occurs exactly once."""
        return self.loader_of(self.rows(split), features=features)

    def loader_of(self, rows: np.ndarray, augment: Any = None, features: Features | None = None) -> DataLoader[Any]:
        """Batches of some rows of the face table in this order; over all ranks, every face occurs exactly once.

        Args:
            rows: int64 [N].
            augment: Maps (images, seed) to images; None does not change them.
            features: Backbone features that replace the images; None for images.
        """
        return self.batches(self.eval_batches(rows), augment, features)

    def eval_batches(self, rows: np.ndarray) -> EvalBatches:
        """This rank's batches of some rows, in this order."""
        return EvalBatches(rows, self.batch_size, *self._rank_and_world_size())

    def _rank_and_world_size(self) -> tuple[int, int]:
        if self.trainer is None:
            return ranks.rank(), ranks.world_size()
        return self.trainer.global_rank, self.trainer.world_size

    def batches(self, batches: Iterable[BatchIndex], augment: Any, features: Features | None = None) -> DataLoader[Any]:
        """Returns a data loader of the given batches.

        Args:
            batches: The batches, in order.
            augment: Maps (images, seed) to images; None does not augment.
            features: Backbone features that replace the images in the first epochs; None for images in every epoch.
        """
        assert self._images is not None, "call setup() first"
        return self.load(FaceDataset.of(self.table.frame, self._images, self.sources, augment, features), batches)

    def load(self, dataset: FaceDataset, batches: Iterable[BatchIndex]) -> DataLoader[Any]:
        """Returns a data loader of batches of a dataset, with the workers of this module.

        Args:
            dataset: The faces.
            batches: Rows of the dataset.
        """
        device = "cpu" if self.trainer is None else self.trainer.strategy.root_device.type
        return TimedLoader(
            dataset,
            self._workers(device),
            self._shared_cores(device) if isinstance(batches, TrainBatches) else None,
            sampler=batches,
            pin_memory=device == "cuda",
            worker_init_fn=leave_signals_to_parent,
        )

    def _workers(self, device: str) -> int:
        """Number of workers in the first epoch."""
        if isinstance(self.num_workers, int):
            return self.num_workers
        if device == "cpu" or self.trainer is None:
            return 0
        return max(0, min(MAX_WORKERS, usable_cores() // self.trainer.num_devices - 1))

    def _shared_cores(self, device: str) -> int | None:
        """Cores that loader and trainer share, if the loader chooses its number of workers."""
        if isinstance(self.num_workers, int) or device != "cpu" or self.trainer is None:
            return None
        return max(1, usable_cores() // self.trainer.num_devices)
