"""From files on disk to batches: one Lightning data module for every source, split and augmentation."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from agegender.data.batches import BatchIndex, EvalBatches, TrainBatches
from agegender.data.cache import DecodedImages, ImageCache, cache_root, usable_cores
from agegender.data.dataset import FaceDataset, Images
from agegender.data.features import Features
from agegender.data.splits import checksum, split_csv
from agegender.data.table import Duplicates, read_faces, select_faces
from agegender.errors import AgeGenderError
from agegender.sources.faces import SPLITS, Skipped, Source

MAX_WORKERS = 8


class FaceDataModule(LightningDataModule):
    """Faces for a Trainer, which must be built with ``use_distributed_sampler=False``: ranks share faces out here.

    After ``setup`` there are ``table`` (a ``FaceTable`` with its split; ``index`` in a batch is a row of it),
    ``split_name``, ``split_csv``, ``split_sha256`` and ``skipped``.

    Args:
        sources: Sources of faces, by any key; each has a name of its own.
        split: A ``Split``.
        sampler: Of ``agegender.data.sampler``.
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
        cache_dir: str | Path | None = None,
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
        self.features: dict[str, Features] = {}  # that stand for images when fitting, by part

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
            sizes = ", ".join(f"{name} {counts.get(name, 0)}" for name in SPLITS)
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

    def rows(self, part: str) -> np.ndarray:
        """Rows of the face table, int64, in a part."""
        return np.flatnonzero(self.table.frame["split"] == part)

    def learnable_rows(self) -> np.ndarray:
        """Rows of the train part with a label for some task."""
        rows = self.rows("train")
        return rows[np.any([self._labelled(task)[rows] for task in self.tasks], axis=0)]

    def _train_batches(self) -> TrainBatches:
        rows = self.learnable_rows()
        chosen = np.isin(np.arange(len(self.table)), rows)
        return TrainBatches(
            rows, self.batch_size, self.seed, *self._place(), weights=self.sampler.weights(self.table.where(chosen))
        )

    def train_dataloader(self) -> DataLoader[Any]:
        """Shuffled and augmented batches of the train part."""
        batches = self._train_batches()
        # On resuming, Lightning starts the workers, which ask for their first batches at once, before it calls
        # set_epoch. The restored loop knows already how many epochs were trained (current_epoch is one behind in a
        # checkpoint saved at the end of an epoch).
        if self.trainer is not None:
            batches.set_epoch(self.trainer.fit_loop.epoch_progress.current.processed)  # type: ignore[attr-defined]
        return self.batches(batches, self.augment, self.features.get("train"))

    def val_dataloader(self) -> DataLoader[Any]:
        """The val part in order."""
        return self._eval_loader("val", self.features.get("val"))

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
        return self.batches(EvalBatches(self.rows(part), self.batch_size, *self._place()), None, features)

    def _place(self) -> tuple[int, int]:
        return (0, 1) if self.trainer is None else (self.trainer.global_rank, self.trainer.world_size)

    def batches(self, batches: Iterable[BatchIndex], augment: Any, features: Features | None = None) -> DataLoader[Any]:
        """Loads batches of any faces.

        Args:
            batches: Which, in this order.
            augment: As in the constructor; None for the images as they are.
            features: Stand for the images in some epochs.
        """
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
