"""The keys of a configuration that are not constructor arguments: their types, and what they mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agegender.input_paths import InputFile

Layer = dict  # a layer with its arguments; an object
OrInfinite = float  # a number that may be infinite; other numbers must be finite


@dataclass
class TrainSettings:
    """The keys of ``conf/train.yaml`` outside groups.

    Args:
        seed: Seed of splits, initial weights, order of faces, augmentation and dropout.
        image_size: Side in pixels of the square that faces are resized to, 16 to 1024.
        age_range: Lowest and highest age in years; faces outside are left out and counted.
        tasks: What the network predicts.
        pool: ``avg`` uses the pooling of the backbone, ``flatten`` flattens the feature map, ``none`` leaves it unchanged.
        compile: Use ``torch.compile``; it has no effect in epochs that use the stored features of a frozen backbone.
        monitor: Metric, lower is better, that selects the best checkpoint, stops early, lowers the learning rate
            (``schedule=plateau``) and is returned to sweepers. Default: ``val/age_distance``, the distance in years from the
            labelled interval, or ``val/gender_error`` without an age task.
        resume: Run directory to continue, in place.
        test: Test once, at the end, on the test split, or on the validation split where there is no test split.
        init_from: Earlier model to start from: a run directory, a checkpoint of a run, or a bundle of
            ``agegender.export --format safetensors``. The weights of backbone, trunk, towers and heads are loaded where name
            and shape fit. Mean and standard deviation of the backbone and the crop are those of the earlier model where they
            are null here. Pretrained weights are not loaded then. null: no earlier model.
        seen: Test faces that are copies of images that the earlier model was trained or selected on, identical or re-encoded:
            ``refuse`` ends with an error, ``exclude`` leaves them out and counts them.
        views: Views of each face over which the test averages its estimates: ``one``, ``flip`` (with the mirror image) or
            ``crops`` (centre and corners, each with its mirror image; ten times slower).
        mixup: Trains on blends of two faces (Zhang et al. 2018). Both parameters of the beta distribution of their shares,
            above 0, such as 0.2. null: no blends.
        name: Name of the run in tables of ``agegender.compare``; null shows the settings in which it differs from other runs.
        paper: Title, metrics and protocol of the paper that an experiment follows.
    """

    seed: int
    image_size: int
    age_range: Sequence[float]
    tasks: Sequence[Literal["age", "gender"]]
    pool: Literal["avg", "flatten", "none"]
    compile: bool
    monitor: str
    resume: str | Path | None
    test: bool
    init_from: str | Path | None = None
    seen: Literal["refuse", "exclude"] = "refuse"
    views: Literal["one", "flip", "crops"] = "one"
    mixup: float | None = None
    name: str | None = None
    paper: Mapping[str, Any] | None = None


@dataclass
class FacesSettings:
    """The keys of ``conf/faces.yaml`` outside groups.

    Args:
        seed: Seed of the split.
        image_size: Side in pixels of the square that faces are resized to.
        age_range: Lowest and highest age in years; faces outside are left out and counted.
        tasks: A face without a label for any of them is not trained on.
        skipped: CSV file to write, with every file and face that is left out and the reason.
    """

    seed: int
    image_size: int
    age_range: Sequence[float]
    tasks: Sequence[Literal["age", "gender"]]
    skipped: str | Path | None


@dataclass
class DataSettings:
    """The keys of ``data`` that every dataset has.

    Args:
        duplicates: Byte-identical files: keep all, drop those with different labels, or drop all but one.
        missing: What to do if label files or split files name images that the folder lacks: end with an error, or skip them.
        pretrained: Backbones start from pretrained weights.
        image_size: Side in pixels of the square that faces are resized to.
        near_copies: Near-identical images share a split: those with perceptual hashes that differ in at most this many of 256
            bits; null ties byte-identical files only.
        damaged: What to do with JPEG files that decode only in part, with grey or noise instead of the rest: skip or keep them.
        fit: Images that are not square: ``stretch`` them, ``crop`` the largest square at their centre, or ``pad`` them to the
            smallest square that holds them. null: ``crop`` in training, and the fit of the model in evaluation.
        crop_scale: Factor of the sides of the region that ``fit`` chooses, about its centre, 0.1 to 10: 0.8 keeps the central
            80% of width and height, more than 1 adds a margin. A number, or one for each dataset by name. null: 1 in training,
            and the factor of the model in evaluation.
        outside: Pixels of the region beyond the edges of the image: ``black``, ``reflect`` (mirrored) or ``replicate`` (those
            of the edge). null: ``reflect`` in training, and as the model was trained in evaluation.
        exclude: CSV file with a column ``path`` of faces to leave out of the train and val splits, such as a reviewed
            ``suspicious.csv`` of ``agegender.evaluate``. Test faces stay.
    """

    duplicates: Literal["keep", "drop_conflicting", "drop"]
    missing: Literal["error", "skip"]
    pretrained: bool
    image_size: int
    near_copies: int | None = None
    damaged: Literal["skip", "keep"] = "keep"
    fit: Literal["stretch", "crop", "pad"] | None = "stretch"
    crop_scale: float | Mapping[str, float | None] | None = 1.0
    outside: Literal["black", "reflect", "replicate"] | None = "reflect"
    exclude: InputFile | None = None


@dataclass
class TrunkSettings:
    """Layers between the pooled features and the towers, shared by all tasks.

    Args:
        layers: Layers of ``torch.nn`` with their arguments, in order; empty for none.
    """

    layers: Sequence[Layer]


@dataclass
class TowerSettings:
    """Layers between the trunk and the head of each task.

    Args:
        age: Layers of ``torch.nn`` with their arguments, in order; empty for none.
        gender: The same for gender.
    """

    age: Sequence[Layer]
    gender: Sequence[Layer]
