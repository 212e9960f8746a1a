import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from agegender.errors import AgeGenderError
from agegender.inference.bundle import Bundle
from agegender.inference.face_crop import FacePlace
from agegender.inference.predictor import Predictor, rgb
from agegender.inference.run_model import run_model
from agegender.inference.trained_model import TrainedModel
from agegender.runs.run_directory import RunDirectory
from agegender.sources.crop import EARLIER, Crop
from agegender.sources.images import ImageError

MARKS = ((0.3, 0.3), (0.7, 0.3), (0.5, 0.5), (0.35, 0.7), (0.65, 0.7))


@pytest.fixture(scope="module", params=["trained_run", "bundle"])
def predictor(request: pytest.FixtureRequest) -> Predictor:
    return Predictor.load(request.getfixturevalue(request.param), threads=1, batch_size=4)


def test_equals_what_the_test_of_the_run_predicted(predictor: Predictor, trained_run: Path, faces: Path) -> None:
    table: pd.DataFrame = RunDirectory(trained_run).read_predictions()
    found = predictor.faces(faces / path for path in table["path"])
    np.testing.assert_allclose([face.age for face in found], table["age_pred"], atol=1e-3)
    np.testing.assert_allclose([face.probability_female for face in found], table["probability_female"], atol=1e-4)


def test_files_arrays_and_images_of_pillow_are_the_same(predictor: Predictor, files: list[Path]) -> None:
    arrays = [cv2.imread(str(file))[..., ::-1] for file in files]
    by_file, by_array = predictor(files), predictor(arrays)
    by_pillow = predictor(Image.open(file) for file in files)
    assert [len(faces) for faces in by_file] == [1] * len(files)
    for (one,), (two,), (three,) in zip(by_file, by_array, by_pillow, strict=True):
        assert one.age == pytest.approx(two.age, abs=1e-3)
        assert one.age == pytest.approx(three.age, abs=1)  # Pillow may use another JPEG decoder
        assert one.box is None and one.detector_score is None


def test_batches_change_nothing(trained_run: Path, files: list[Path]) -> None:
    one, all_at_once = (Predictor.load(trained_run, batch_size=size).faces(files) for size in (1, 100))
    np.testing.assert_allclose([face.age for face in one], [face.age for face in all_at_once], atol=1e-4)


def test_distribution_belongs_to_the_age(predictor: Predictor, files: list[Path]) -> None:
    for face in predictor.faces(files):
        assert face.distribution is not None
        years = face.first_age + np.arange(len(face.distribution))
        assert face.distribution.sum() == pytest.approx(1, abs=1e-4)
        assert face.distribution @ years == pytest.approx(face.age, abs=1e-2)


def test_flip_averages_the_mirror_image(bundle: Path, files: list[Path]) -> None:
    images = [cv2.imread(str(file))[..., ::-1] for file in files]
    plain, both = Predictor.load(bundle), Predictor.load(bundle, flip=True)
    mirrored = plain.faces(np.ascontiguousarray(image[:, ::-1]) for image in images)
    for one, other, mean in zip(plain.faces(images), mirrored, both.faces(images), strict=True):
        assert mean.age == pytest.approx((one.age + other.age) / 2, abs=1e-3)
        assert mean.probability_female == pytest.approx((one.probability_female + other.probability_female) / 2, abs=1e-4)


class OnePlace:
    """A model that knows where faces are in its crops, and keeps what it is given."""

    def __init__(self, place: FacePlace) -> None:
        self.preprocess = {"image_size": 40, "face_place": {**vars(place)}}
        self.labels = {"age_range": [0, 9]}
        self.calibration = None
        self.given: list[np.ndarray] = []

    def outputs(self, images: np.ndarray) -> dict[str, np.ndarray]:
        self.given += list(images)
        return {"age": images.mean(axis=(1, 2, 3)), "probability_female": np.zeros(len(images))}


def test_faces_are_cut_with_the_margin_of_the_training(photo: Callable[..., np.ndarray], detector: Callable) -> None:
    model = OnePlace(FacePlace((0.25, 0.25, 0.75, 0.75), None, 9, 9))
    predictor = Predictor(model, detector)
    first, second, third = predictor([photo((100, 50, 80), (300, 200, 40)), photo(), photo((200, 200, 160))])
    assert [round(face.box[2] - face.box[0]) for face in first] == [80, 40]  # the largest first
    assert second == []
    assert third[0].detector_score == 0.9
    for crop in model.given:  # the face fills the middle half of each crop, and nothing else
        magenta = crop[..., 0] > 200
        assert magenta[12:28, 12:28].all()
        assert not magenta[:8].any() and not magenta[:, 32:].any()


@pytest.mark.parametrize("crop", [Crop("pad", 0.8, "black"), Crop(), None])
def test_a_whole_image_is_cropped_as_those_of_the_training(crop: Crop | None) -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 60, 3), dtype=np.uint8)
    model = OnePlace(FacePlace((0.2, 0.2, 0.8, 0.8), None, 9, 9))
    model.preprocess |= {"crop": vars(crop)} if crop else {}
    Predictor(model).faces([image])
    assert np.array_equal(model.given[0], (crop or EARLIER)(image, 40))  # an earlier bundle has none
    model.preprocess["crop"] = None
    with pytest.raises(AgeGenderError, match="had different crops, so a whole image cannot be a face"):
        Predictor(model).faces([image])


def test_faces_of_a_calibrated_model_have_intervals_and_calibrated_probabilities() -> None:
    model = OnePlace(FacePlace((0.25, 0.25, 0.75, 0.75), None, 9, 9))
    levels = {"90": {"conformal": {"": 2.0}}}
    model.calibration = {"schema": 1, "age_range": [0, 9], "age": {"levels": levels}, "gender": {"temperature": 2.0}}
    model.outputs = lambda images: {"age": np.full(len(images), 8.0), "probability_female": np.full(len(images), 0.9)}
    [face] = Predictor(model).faces([np.zeros((40, 40, 3), np.uint8)])
    assert (face.age, face.interval, face.level) == (8, (6, 9), 90)
    assert face.probability_female == pytest.approx(0.75)
    [other] = Predictor(model, level=50).faces([np.zeros((40, 40, 3), np.uint8)])
    assert other.interval is None  # this level was not calibrated


def test_a_detector_needs_a_known_margin(bundle: Path, detector: Callable) -> None:
    with pytest.raises(AgeGenderError, match="takes cropped faces only"):
        Predictor.load(bundle, detector)


PLACE = {"box": [0.2, 0.2, 0.8, 0.8], "landmarks": None, "faces": 1, "images": 1}
CALIBRATED = {"schema": 1, "age_range": [0, 116], "age": {}, "gender": {"temperature": 1.0}}


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("preprocess", {"image_size": "x"}),
        ("preprocess", {"crop": {"x": 1}}),
        ("preprocess", {"crop": "x"}),
        ("preprocess", {"face_place": "x"}),
        ("preprocess", {"face_place": {"box": [0, 0, 1, 1]}}),
        ("preprocess", {"face_place": PLACE | {"box": [0.5, 0, 0.5, 1]}}),
        ("preprocess", {"face_place": PLACE | {"box": [0, 0, 1, float("nan")]}}),
        ("preprocess", {"face_place": PLACE | {"landmarks": [[0, 0]] * 5}}),
        ("preprocess", {"face_place": PLACE | {"landmarks": [[0, 0], [1e300, 1]] * 2 + [[0, 0]]}}),
        ("labels", {"age_range": None}),
        ("labels", {"age_range": [float("inf")]}),
        ("calibration", {"schema": 2}),
        ("calibration", {"age_range": [1]}),
        ("calibration", {"age": "x"}),
        ("calibration", {"gender": {"temperature": 0}}),
        ("calibration", {"gender": {"temperature": "x"}}),
    ],
)
def test_a_bundle_of_others_with_unusable_content_is_one_line(file: str, change: dict[str, object], bundle: Path) -> None:
    model = Bundle(bundle)
    content = (getattr(model, file) if file != "calibration" else CALIBRATED) | change
    setattr(model, file, content)
    with pytest.raises(AgeGenderError, match=rf"^{file}\.json of the model cannot be used: [^\n]+$"):
        Predictor(model)


def test_a_run_measures_its_margin(trained_run: Path, detector: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    place = FacePlace((0.2, 0.2, 0.8, 0.8), MARKS, 64, 64)
    seen = []
    monkeypatch.setattr(FacePlace, "measure", lambda crops, with_detector: (seen.append((crops, with_detector)), place)[1])
    predictor = Predictor.load(trained_run, detector)
    assert predictor.model.preprocess["face_place"]["box"] == (0.2, 0.2, 0.8, 0.8)
    [(crops, used)] = seen
    assert used is detector and crops[0].shape == (224, 224, 3)


@pytest.mark.parametrize(
    ("image", "shape"),
    [
        (np.full((30, 20), 9, np.uint8), (30, 20, 3)),
        (Image.new("L", (20, 30), 9), (30, 20, 3)),
        (Image.new("RGBA", (20, 30), (9, 9, 9, 255)), (30, 20, 3)),
    ],
)
def test_grey_and_transparent_images(image: object, shape: tuple[int, ...]) -> None:
    pixels = rgb(image)
    assert pixels.shape == shape and (pixels == 9).all()


@pytest.mark.parametrize("image", [np.zeros((3, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((2, 4, 4, 3), np.uint8)])
def test_other_arrays_are_refused(image: np.ndarray) -> None:
    with pytest.raises(TypeError, match="must be uint8 RGB"):
        rgb(image)


def test_arrays_and_images_of_pillow_have_the_limits_of_files(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    for small in (np.zeros((0, 20, 3), np.uint8), np.zeros((15, 20), np.uint8), Image.new("RGB", (20, 1))):
        with pytest.raises(ImageError, match="image too small"):
            rgb(small)
    truncated = Image.open(io.BytesIO(files[0].read_bytes()[:-200]))
    with pytest.raises(ImageError, match=r"damaged image: .*truncated"):
        rgb(truncated)
    monkeypatch.setattr("agegender.sources.images.MAX_PIXELS", 399)
    loaded = []
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda image: loaded.append(image))
    for large in (np.zeros((20, 20, 3), np.uint8), Image.open(files[0])):
        with pytest.raises(ImageError, match="image too large"):
            rgb(large)
    assert loaded == []  # refused before it is decoded


def test_a_file_that_is_no_image_is_named(predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_text("text")
    with pytest.raises(ImageError, match=r"x\.jpg: not an image"):
        predictor([tmp_path / "x.jpg"])


@pytest.mark.parametrize("path", ["missing", "."])
def test_a_folder_without_a_model(path: str, tmp_path: Path) -> None:
    with pytest.raises(AgeGenderError, match="neither a run directory"):
        Predictor.load(tmp_path / path)


def test_a_bundle_has_no_other_device(bundle: Path) -> None:
    with pytest.raises(AgeGenderError, match="device cuda: a bundle runs on the CPU only"):
        Predictor.load(bundle, device="cuda")


def test_both_kinds_describe_themselves_alike(trained_run: Path, bundle: Path) -> None:
    trained, exported = run_model(trained_run), Bundle(bundle)
    assert isinstance(trained, TrainedModel)
    assert exported.labels == trained.labels
    assert exported.preprocess == trained.preprocess
    assert replace(Predictor(trained).faces([np.zeros((32, 32, 3), np.uint8)])[0], distribution=None).first_age == 0
