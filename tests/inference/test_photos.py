from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from agegender.errors import AgeGenderError
from agegender.inference.photos import NO_DETECTOR, NO_FACE, list_images, looks_like_crop, predict_files, predict_photos
from agegender.inference.predictor import Predictor


def write(path: Path, image: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[..., ::-1])
    return path


def test_lists_folders_sorted_and_keeps_the_order_of_arguments(tmp_path: Path) -> None:
    for name in ("f/b.JPG", "f/a.png", "f/sub/c.webp", "f/notes.txt", "z.weird"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    listing = list_images([tmp_path / "z.weird", tmp_path / "f"])
    assert [path.relative_to(tmp_path).as_posix() for path in listing.files] == [
        "z.weird",
        "f/a.png",
        "f/b.JPG",
        "f/sub/c.webp",
    ]
    assert (listing.others, listing.links) == (1, 0)
    (tmp_path / "f" / "sub" / "back").symlink_to(tmp_path / "f")
    assert list_images([tmp_path / "f"]) == (listing.files[1:], 1, 1)  # not followed, but counted
    (tmp_path / "f" / "phone.HEIC").touch()
    assert [path.name for path in list_images([tmp_path / "f"]).files] == ["a.png", "b.JPG", "phone.HEIC", "c.webp"]
    with pytest.raises(AgeGenderError, match="there is no such file or folder"):
        list_images([tmp_path / "none"])


def test_each_file_gets_a_result_in_its_order(bundle: Path, files: list[Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(files[0].read_bytes()[:200])
    empty = tmp_path / "empty.png"
    empty.touch()
    folder = tmp_path / "folder.jpg"
    folder.mkdir()
    asked = [files[0], broken, files[1], empty, folder, *files[2:]]
    results = list(predict_files(Predictor.load(bundle, batch_size=2), asked))
    assert [result.path for result in results] == asked
    assert [bool(result.faces) for result in results] == [True, False, True, False, False, *[True] * 5]
    assert "truncated JPEG" in results[1].reason and results[3].reason == "empty file" and results[4].reason
    assert results[0].reason == ""


def test_sizes_decide_what_is_a_crop(bundle: Path, tmp_path: Path, photo: Callable[..., np.ndarray]) -> None:
    large = write(tmp_path / "large.png", photo(size=(900, 900)))
    small = write(tmp_path / "small.png", photo(size=(100, 120)))
    predictor = Predictor.load(bundle)
    by_size = list(predict_files(predictor, [large, small], crops_by_size=True))
    assert (by_size[0].faces, by_size[0].reason) == ([], NO_DETECTOR)
    assert len(by_size[1].faces) == 1
    assert [len(result.faces) for result in predict_files(predictor, [large, small])] == [1, 1]


def test_photos_without_a_face_and_with_many(
    trained_run: Path, tmp_path: Path, photo: Callable[..., np.ndarray], detector: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agegender.inference.face_crop import FacePlace

    monkeypatch.setattr(FacePlace, "measure", lambda crops, _: FacePlace((0.2, 0.2, 0.8, 0.8), None, 1, 1))
    predictor = Predictor.load(trained_run, detector, batch_size=3)
    many = write(tmp_path / "many.png", photo(*[(20 + 60 * i, 50, 30 + i) for i in range(7)]))
    none = write(tmp_path / "none.png", photo())
    one, two = predict_files(predictor, [many, none], crops_by_size=True)
    assert len(one.faces) == 7 and len({face.box for face in one.faces}) == 7
    assert (two.faces, two.reason) == ([], NO_FACE)


@pytest.mark.parametrize(("shape", "crop"), [((200, 200), True), ((320, 250), True), ((321, 321), False), ((100, 200), False)])
def test_looks_like_crop(shape: tuple[int, int], crop: bool) -> None:
    assert looks_like_crop(np.zeros((*shape, 3), np.uint8)) is crop


def test_photos_may_be_bytes(bundle: Path, files: list[Path]) -> None:
    predictor = Predictor.load(bundle)
    data = [file.read_bytes() for file in files]
    results = list(predict_photos(predictor, iter([data[0], data[1][:200], b"", *data[2:]])))
    assert [result.reason.split(" (")[0] for result in results[1:3]] == [
        "truncated JPEG",
        "not an image of a supported format",
    ]
    estimated = [result.faces[0].age for result in (results[0], *results[3:])]
    assert estimated == [face.age for face in predictor.faces([files[0], *files[2:]])]


def test_a_jpeg_with_missing_pixels_has_a_reason(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    whole = cv2.imencode(".jpg", noise)[1].tobytes()
    damaged = whole[: len(whole) // 2] + whole[-2:]  # with the mark of its end, so a decoder fills the missing half with grey
    (tmp_path / "damaged.jpg").write_bytes(damaged)
    predictor = Predictor.load(bundle)
    for photo in (damaged, tmp_path / "damaged.jpg"):
        [result] = predict_photos(predictor, [photo])
        assert result.faces == [] and result.reason.endswith("damaged JPEG: premature end of data segment")
    monkeypatch.setattr("agegender.sources.images.CAN_FIND_DAMAGE", False)  # simplejpeg is not installed
    [result] = predict_photos(predictor, [damaged])
    assert len(result.faces) == 1


def test_a_model_that_takes_no_whole_images_gives_a_reason(bundle: Path, files: list[Path]) -> None:
    predictor = Predictor.load(bundle)
    predictor.model.preprocess["crop"] = None  # as of a training on datasets with different crops
    mixed = Predictor(predictor.model)
    assert [result.reason for result in predict_files(mixed, files[:2], crops_by_size=True)] == [
        "the datasets of the model's training had different crops, so a whole image cannot be a face"
    ] * 2
