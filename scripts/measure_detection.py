"""Measures what it costs that faces are detected in photos, instead of given as crops.

    python scripts/measure_detection.py RUN_DIR --detector-weights face_detection_yunet_2023mar.onnx

Takes faces of the test split of the run, as the model was trained to see them, and puts each into a larger picture: turned by
up to 20 degrees, 0.7 to 2 times as large, surrounded by smooth colours. Then it is estimated in four ways:

    original crop   as in the test of the run
    exact place     cut out where it was put: the loss by two interpolations alone
    detected once   cut out by the landmarks that the detector finds in the picture
    detected again  cut out by the landmarks of a second detection in the upright crop, as predict does

Prints for each way the MAE, and how exactly scale, angle and centre of the place are found: standard deviations over the faces.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from measurements import Row, Tables, command

from agegender.inference.face_crop import FacePlace, cut, cut_at, detected_again, fit
from agegender.inference.faces import YuNet
from agegender.inference.predictor import FoundFace, Predictor
from agegender.inference.run_model import run_faces
from agegender.runs.run_directory import RunDirectory
from agegender.sources.images import read

CHIP, HEIGHT, WIDTH = 200, 900, 1200  # pixels of a face before it is scaled, and of the picture
TURN, SCALES = 20, (0.7, 2.0)


@dataclass(frozen=True)
class Scene:
    """A picture with one face: pixel z of the face, a complex number in 0..1, lies at ``scale * z + shift``."""

    photo: np.ndarray
    scale: complex
    shift: complex


def scene(face: np.ndarray, generator: np.random.Generator) -> Scene:
    coarse = generator.integers(40, 200, (6, 8, 3), dtype=np.uint8)
    photo = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    size, angle = CHIP * generator.uniform(*SCALES), np.radians(generator.uniform(-TURN, TURN))
    scale = size * np.exp(1j * angle)
    centre = complex(generator.uniform(300, WIDTH - 300), generator.uniform(300, HEIGHT - 300))
    shift = centre - scale * (0.5 + 0.5j)
    step, start = scale / CHIP, scale * (0.5 + 0.5j) / CHIP + shift - (0.5 + 0.5j)  # pixel centres are at halves
    matrix = np.array([[step.real, -step.imag, start.real], [step.imag, step.real, start.imag]])
    how = cv2.INTER_AREA if size < CHIP else cv2.INTER_CUBIC
    cv2.warpAffine(face, matrix, (WIDTH, HEIGHT), photo, how, cv2.BORDER_TRANSPARENT)
    return Scene(photo, complex(scale), complex(shift))


def row(way: str, errors: np.ndarray, original: np.ndarray, places: list[tuple[complex, complex]] | None) -> Row:
    """A row of the table.

    Args:
        way: Its name.
        errors: Absolute errors in years, [N].
        original: Those of the original crops, [N].
        places: The scale and the centre that were found, relative to the true ones; None if they are known.
    """
    scales, centres = np.array(places or [(1, 0)]).T
    return {
        "way": way,
        "faces": len(errors),
        "MAE": float(errors.mean()),
        "more, percent": float(100 * (errors.mean() / original.mean() - 1)),
        "scale, log": float(np.log(np.abs(scales)).std()),
        "angle, degrees": float(np.degrees(np.angle(scales)).std()),
        "centre, share": float(np.sqrt(np.mean(np.abs(centres) ** 2) / 2)),
    }


def measure(run: RunDirectory, weights: Path, number: int, seed: int) -> list[Row]:
    detector, generator = YuNet(weights), np.random.default_rng(seed)
    predictor = Predictor.load(run.path, detector, threads=1)
    place, size = FacePlace.of(predictor.model.preprocess["face_place"]), predictor.image_size
    faces = [face for face in run_faces(run, "test") if face.age_low == face.age_high]
    faces = [faces[i] for i in sorted(generator.permutation(len(faces))[:number])]
    labels = np.array([face.age_low for face in faces])
    whole = [face.crop(read(face.file), size, face.box) for face in faces]
    crops: dict[str, list[np.ndarray]] = {"original crop": whole, "exact place": [], "detected once": [], "detected again": []}
    places: dict[str, list[tuple[complex, complex]]] = {"detected once": [], "detected again": []}
    rows, found, taken = [], [], dict.fromkeys(places, 0.0)
    for index, face in enumerate(faces):
        one = scene(face.crop(read(face.file), CHIP, face.box), generator)
        start = time.process_time()
        detected = max(detector(one.photo), key=lambda face: face.score, default=None)
        if detected is None:
            continue
        found.append(index)
        taken["detected once"] += time.process_time() - start
        again = detected_again(one.photo, detected, place, detector)
        taken["detected again"] += time.process_time() - start
        crops["exact place"].append(cut_at(one.photo, one.scale / size, one.shift, size))
        for way, face_at in (("detected once", detected), ("detected again", again)):
            crops[way].append(cut(one.photo, face_at, place, size))
            scale, shift = fit(face_at, place, 1)
            offset = (scale - one.scale) * (0.5 + 0.5j) + shift - one.shift
            places[way].append((scale / one.scale, offset / one.scale))
    original = None
    for way, images in crops.items():
        chosen = [images[i] for i in found] if way == "original crop" else images
        estimates = predictor.estimate([FoundFace(image, None) for image in chosen])
        errors = np.abs(np.array([estimate.age for estimate in estimates], float) - labels[found])
        original = errors if original is None else original
        rows.append(row(way, errors, original, places.get(way)))
    per_picture = ", ".join(f"{way} {1000 * seconds / len(found):.0f} ms" for way, seconds in taken.items())
    print(f"{len(faces)} faces, {len(faces) - len(found)} not found; {size} px; CPU time of a picture: {per_picture}")
    return rows


def main() -> None:
    parser = command(__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--detector-weights", type=Path, required=True, metavar="FILE")
    parser.add_argument("--faces", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    rows = measure(RunDirectory(options.run), options.detector_weights, options.faces, options.seed)
    tables = Tables()
    tables.add("detection", "errors of the age, and standard deviations of the place", rows)
    tables.write(options.json)


if __name__ == "__main__":
    main()
