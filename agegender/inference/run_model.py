"""The trained model of a run directory, with what its own faces tell about its input. Needs torch."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agegender.configuration.build import build
from agegender.configuration.schema import validate_saved
from agegender.data.crops import choose_crops
from agegender.errors import AgeGenderError
from agegender.inference.bundle import CHECKSUMS, MODEL
from agegender.inference.face_crop import SIDE, FacePlace
from agegender.inference.faces import FaceDetector
from agegender.inference.trained_model import TrainedModel
from agegender.models.checkpoint import load_network
from agegender.runs.run_directory import RunDirectory
from agegender.sources.box import Region, parse_box, split_name
from agegender.sources.crop import Crop
from agegender.sources.images import ImageError, read

PLACE_FACES = 64  # training crops in which the place of the face is measured


def run_model(
    path: str | Path, detector: FaceDetector | None = None, device: str = "cpu", threads: int | None = None
) -> TrainedModel:
    """Loads the best model of a run, or a checkpoint file.

    Args:
        path: Run directory or checkpoint.
        detector: If photos will be searched for faces: the place of the face is measured on training crops of the run.
        device: Such as ``cpu`` or ``cuda:0``.
        threads: Threads of torch; None: all cores.

    Raises:
        AgeGenderError: There is no model, or a detector is given and the configuration of the run is not valid or its training
            faces cannot be read.
    """
    path = Path(path)
    if threads is not None:
        torch.set_num_threads(threads)
    if path.is_file():
        if detector is not None:
            raise AgeGenderError(
                f"{path}: a checkpoint alone does not say how its training faces were cropped; name the run directory, or "
                "use no detector"
            )
        return TrainedModel(load_network(path), device=device)
    if (path / CHECKSUMS).is_file():
        raise AgeGenderError(f"{path}: a bundle without {MODEL}; only one of agegender.export --format onnx predicts")
    run = RunDirectory(path)
    if not run.config.is_file():
        raise AgeGenderError(f"{path}: neither a run directory (it has no {run.config.name}) nor a bundle nor a checkpoint")
    trained = load_network(run.best)
    place = None
    if detector is not None:
        validate_saved(run.read_config(), run.config)
        place = measured_place(run, detector)
    test = run.latest_test
    return TrainedModel(trained, place, run.read_calibration(), device, test.read_metrics() if test.metrics.is_file() else None)


def measured_place(run: RunDirectory, detector: FaceDetector) -> FacePlace:
    """Where a detector finds the face in training crops of a run.

    Raises:
        AgeGenderError: They cannot be read, or too few faces are found.
    """
    return FacePlace.measure(training_crops(run, PLACE_FACES, SIDE), detector)


@dataclass(frozen=True)
class LabelledFace:
    """A face of a run: its file and box, how it is cropped, and its labels as ``split.csv`` has them, NaN if unknown."""

    file: Path
    box: Region | None
    crop: Crop
    age_low: float
    age_high: float
    gender: float


def run_faces(run: RunDirectory, split: str) -> list[LabelledFace]:
    """The faces of a split of a run, where its configuration says that they are.

    Raises:
        AgeGenderError: The run has no ``split.csv``, or a dataset of it is not in the configuration.
    """
    data = run.read_config()["data"]
    sources: dict[str, Any] = build(data["sources"], "data.sources")
    crops = choose_crops(data, [source.name for source in sources.values()])
    roots = {source.name: Path(source.root) for source in sources.values()}
    rows = csv.DictReader(io.StringIO(run.read_split(), newline=""))
    try:
        return [
            LabelledFace(
                *_place(roots[row["dataset"]], row["path"]),
                crops[row["dataset"]],
                *(float(row[name] or "nan") for name in ("age_low", "age_high", "gender")),
            )
            for row in rows
            if row["split"] == split
        ]
    except (KeyError, ValueError, TypeError) as error:
        raise AgeGenderError(f"{run.split}: cannot be used: {error!r}") from error


def _place(root: Path, path: str) -> tuple[Path, Region | None]:
    """The file of a face and its box in it."""
    file, box = split_name(path)
    return root / file, parse_box(box) if box else None


def training_crops(run: RunDirectory, number: int, size: int) -> list[np.ndarray]:
    """At most ``number`` training faces of a run as the network takes them, uint8 [size, size, 3].

    Raises:
        AgeGenderError: A file is missing or damaged.
    """
    return [_crop(face, size) for face in _spread(run_faces(run, "train"), number)]


def labelled_crops(run: RunDirectory, split: str, number: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """At most ``number`` faces of a split as the network takes them, with their labels.

    Returns:
        Images, uint8 [N, size, size, 3]; lowest and highest age in years, [N, 2], NaN without a label; genders, [N], 0 male,
        1 female, NaN unknown.

    Raises:
        AgeGenderError: The split has no faces, or a file is missing or damaged.
    """
    faces = _spread(run_faces(run, split), number)
    if not faces:
        raise AgeGenderError(f"{run.path}: its {split} split has no faces")
    ages = np.array([(face.age_low, face.age_high) for face in faces])
    return np.stack([_crop(face, size) for face in faces]), ages, np.array([face.gender for face in faces])


def _spread(faces: list[LabelledFace], number: int) -> list[LabelledFace]:
    """At most ``number`` of the faces, evenly spread over the list."""
    return [faces[i] for i in np.unique(np.linspace(0, len(faces) - 1, min(number, len(faces))).astype(int))] if faces else []


def _crop(face: LabelledFace, size: int) -> np.ndarray:
    try:
        return face.crop(read(face.file), size, face.box)
    except ImageError as error:
        raise AgeGenderError(f"a face of the run cannot be read: {error}") from error
