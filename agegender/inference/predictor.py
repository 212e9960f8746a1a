"""Age and apparent gender of faces, with a model from a run directory or from a bundle."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from PIL import Image

from agegender.errors import AgeGenderError
from agegender.inference.bundle import CALIBRATION, LABELS, PREPROCESS, Bundle, is_bundle, reading
from agegender.inference.face_crop import FacePlace, cut, detected_again
from agegender.inference.faces import DetectedFace, FaceDetector
from agegender.inference.hub import fetch, is_remote
from agegender.metrics.calibration import Calibration
from agegender.sources import images as files
from agegender.sources.crop import EARLIER, Crop

Photo = np.ndarray | Image.Image | bytes | str | Path
"""An image: RGB uint8 [height, width, 3], grey uint8 [height, width], an image of Pillow, the bytes or the path of a file."""


@dataclass(frozen=True)
class Face:
    """What a model estimates of one face. Gender is binary and means appearance; no estimate is an identity.

    Attributes:
        age: Years; None if the model does not estimate age.
        interval: Lowest and highest age in years; for `level` percent of faces like those of the test, the label lies inside.
            None if the model is not calibrated.
        level: Percent.
        distribution: Probability of each whole year from `first_age` on, [years]; None if the age head has none.
        first_age: Years.
        probability_female: 0..1, calibrated if the model is; None if the model does not estimate gender.
        box: x0, y0, x1, y1 in pixels of the photo; None if the whole image was taken as the face.
        detector_score: 0..1; None if the whole image was taken as the face.
    """

    age: float | None
    interval: tuple[float, float] | None
    level: int
    distribution: np.ndarray | None
    first_age: int
    probability_female: float | None
    box: tuple[float, float, float, float] | None = None
    detector_score: float | None = None


class FoundFace(NamedTuple):
    """A face as the model takes it, uint8 [image_size, image_size, 3], and what the detector said; None without one."""

    crop: np.ndarray
    detected: DetectedFace | None


class Model(Protocol):
    """What a bundle and a trained network have in common; see `agegender.inference.bundle.Bundle`."""

    preprocess: dict[str, Any]
    labels: dict[str, Any]
    calibration: dict[str, Any] | None
    metrics: dict[str, Any] | None

    def outputs(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """See `agegender.inference.bundle.Bundle.outputs`."""


class Predictor:
    """Estimates age and apparent gender.

    Args:
        model: A bundle or a trained network.
        detector: Finds the faces in photos. None: each image is one face, cropped as the training images were.
        flip: Average the estimates of each face and of its mirror image, which takes twice as long.
        level: Percent of the age intervals: 50, 80, 90 or 95.
        batch_size: Faces that are estimated at once.

    Raises:
        AgeGenderError: There is a detector, but the place of faces in the model's training crops is unknown; or the description
            of the model cannot be used.

    Examples:
        >>> predictor = Predictor.load("RUN_DIR")  # doctest: +SKIP
        >>> [face.age for face in predictor.faces(["a.jpg", "b.jpg"])]  # doctest: +SKIP
        [31.2, 8.9]
    """

    def __init__(
        self,
        model: Model,
        detector: FaceDetector | None = None,
        flip: bool = False,
        level: int = 90,
        batch_size: int = 32,
    ) -> None:
        self.model = model
        self.detector = detector
        self.flip = flip
        self.level = level
        self.batch_size = batch_size
        place, crop = (model.preprocess.get(name, absent) for name, absent in (("face_place", None), ("crop", EARLIER)))
        if detector is not None and place is None:
            raise AgeGenderError(
                "this model takes cropped faces only: where faces are in its training crops was not measured, so a detected "
                "face cannot be cut out with the right margin"
            )
        with reading(PREPROCESS):
            self.image_size = int(model.preprocess["image_size"])
            self._place = None if place is None else FacePlace.of(place)
            self._crop = crop if crop is None or crop is EARLIER else Crop(**crop)  # bundles of earlier versions have no crop
        with reading(LABELS):
            self._first_age = int(model.labels["age_range"][0])
        with reading(CALIBRATION):
            self._calibration = None if model.calibration is None else Calibration.of(model.calibration)

    @classmethod
    def load(
        cls,
        path: str | Path,
        detector: FaceDetector | None = None,
        device: str = "cpu",
        threads: int | None = None,
        **options: Any,
    ) -> "Predictor":
        """Loads the model of a run directory, of a checkpoint file, of a bundle, or of a bundle on the Hugging Face Hub.

        Args:
            path: The folder or file, or ``hf://USER/NAME@REVISION``; see `agegender.inference.hub.fetch`.
            detector: See the class.
            device: For a run directory: ``cpu``, ``cuda:0`` and so on. A bundle runs on the CPU.
            threads: Threads of one prediction; None: all cores.
            options: Further arguments of the class.

        Raises:
            AgeGenderError: There is no model, or it cannot be used.
        """
        if is_remote(path):
            path = fetch(str(path))
        if is_bundle(path):
            if device != "cpu":
                raise AgeGenderError(f"device {device}: a bundle runs on the CPU only")
            return cls(Bundle(path, threads), detector, **options)
        try:
            from agegender.inference.run_model import run_model
        except ModuleNotFoundError as error:
            raise AgeGenderError(f"{path}: not a bundle; a run directory needs {error.name}: pip install agegender") from error
        return cls(run_model(path, detector, device, threads), detector, **options)

    def __call__(self, photos: Iterable[Photo]) -> list[list[Face]]:
        """Finds and estimates the faces of each photo, the largest first; without a detector one face a photo.

        Raises:
            ImageError: A photo cannot be read. The message names the file and the reason.
        """
        found = [self.find(rgb(photo)) for photo in photos]
        faces = iter(self.estimate([one for ones in found for one in ones]))
        return [[next(faces) for _ in ones] for ones in found]

    def faces(self, crops: Iterable[Photo]) -> list[Face]:
        """Estimates images that are one face each, cropped as the training images were. No detector is used.

        Raises:
            ImageError: An image cannot be read. The message names the file and the reason.
        """
        return self.estimate([self.whole(rgb(crop)) for crop in crops])

    def find(self, image: np.ndarray) -> list[FoundFace]:
        """Finds the faces of an RGB photo, the largest first; without a detector the whole photo is the face."""
        if self.detector is None or self._place is None:
            return [self.whole(image)]
        return [self._found(image, face, self.detector, self._place) for face in self.detector(image)]

    def _found(self, image: np.ndarray, face: DetectedFace, detector: FaceDetector, place: FacePlace) -> FoundFace:
        return FoundFace(cut(image, detected_again(image, face, place, detector), place, self.image_size), face)

    def whole(self, image: np.ndarray) -> FoundFace:
        """Takes an RGB image as one face, cropped as the training images were.

        Raises:
            AgeGenderError: The training images of the model were cropped in several ways.
        """
        if self._crop is None:
            raise AgeGenderError("the datasets of the model's training had different crops, so a whole image cannot be a face")
        return FoundFace(self._crop(image, self.image_size), None)

    def estimate(self, found: Sequence[FoundFace]) -> list[Face]:
        """Estimates faces that ``find`` or ``whole`` returned, in their order."""
        faces: list[Face] = []
        for start in range(0, len(found), self.batch_size):
            part = found[start : start + self.batch_size]
            estimates = self._faces(self._outputs(np.stack([one.crop for one in part])))
            for one, face in zip(part, estimates, strict=True):
                if one.detected is not None:
                    face = replace(face, box=one.detected.box, detector_score=one.detected.score)
                faces.append(face)
        return faces

    def _outputs(self, images: np.ndarray) -> dict[str, np.ndarray]:
        outputs = self.model.outputs(images)
        if not self.flip:
            return outputs
        mirrored = self.model.outputs(np.ascontiguousarray(images[:, :, ::-1]))
        return {name: (values + mirrored[name]) / 2 for name, values in outputs.items()}

    def _faces(self, outputs: dict[str, np.ndarray]) -> list[Face]:
        age, female, distribution = (outputs.get(name) for name in ("age", "probability_female", "age_distribution"))
        number = len(next(iter(outputs.values())))
        intervals: list[tuple[float, float] | None] = [None] * number
        if self._calibration is not None:
            if age is not None and self.level in self._calibration.levels:
                ends = self._calibration.narrow_interval(age, self.level, distribution, female)
                intervals = list(zip(*(end.tolist() for end in ends), strict=True))
            female = None if female is None else self._calibration.probability_female(female)
        return [
            Face(
                age=None if age is None else float(age[i]),
                interval=intervals[i],
                level=self.level,
                distribution=None if distribution is None else distribution[i],
                first_age=self._first_age,
                probability_female=None if female is None else float(female[i]),
            )
            for i in range(number)
        ]


def rgb(photo: Photo) -> np.ndarray:
    """The pixels of a photo: RGB, uint8 [height, width, 3], with the EXIF rotation applied.

    Raises:
        ImageError: It cannot be read, or is too small or too large.
        TypeError: An array is not uint8 of one of the shapes of `Photo`.
    """
    if isinstance(photo, str | Path):
        return files.read(Path(photo), strict=True)
    if isinstance(photo, bytes):
        return files.decode(photo, strict=True)
    if isinstance(photo, Image.Image):
        return files.from_pillow(photo)
    array = np.asarray(photo)
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
        raise TypeError(
            f"an image must be uint8 RGB [height, width, 3] or grey [height, width], not {array.dtype} {array.shape}"
        )
    files.check_size(array.shape[1], array.shape[0])
    return np.ascontiguousarray(array if array.ndim == 3 else np.repeat(array[..., None], 3, axis=2))
