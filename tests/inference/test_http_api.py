"""The API without a server; tests/test_serve.py starts one."""

import argparse
import base64
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from agegender.inference.bundle import Bundle
from agegender.inference.face_crop import FacePlace
from agegender.inference.faces import FaceDetector
from agegender.inference.http_api import FaceApi, PhotoAnswer, PhotoRequest
from agegender.inference.model_options import add_model_options
from agegender.inference.photos import NO_DETECTOR, Estimates
from agegender.inference.predictor import Face, Predictor


def options(*arguments: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_model_options(parser)
    return argparse.Namespace(host="127.0.0.1", port=8000, **vars(parser.parse_args([*map(str, arguments)])))


def png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image[..., ::-1])[1].tobytes()


def test_faces_that_a_detector_finds(bundle: Path, detector: FaceDetector, photo: Callable[..., np.ndarray]) -> None:
    model = Bundle(bundle)
    model.preprocess["face_place"] = asdict(FacePlace((0.2, 0.2, 0.8, 0.8), None, 1, 1))
    api = FaceApi(options("--model", bundle))
    api.predictor = Predictor(model, detector)
    photos = api.batch([png(photo((10, 20, 100), (200, 50, 60))), b"no image", png(photo())])
    two, bad, none = map(api.encode_response, api.predict(photos))
    assert isinstance(two, PhotoAnswer) and isinstance(none, PhotoAnswer)
    assert [face.box for face in two.faces] == [[10, 20, 110, 120], [200, 50, 260, 110]]
    assert [face.detector_score for face in two.faces] == [0.9, 0.9] and two.reason is None
    assert (bad.status_code, bad.body) == (  # type: ignore[union-attr]
        422, b'{"detail":"not an image of a supported format (JPEG, PNG, WEBP, BMP, GIF, TIFF)"}',
    )  # fmt: skip
    assert (none.faces, none.reason) == ([], "no face found")


def test_an_answer_has_the_interval_and_null_for_what_is_unknown(bundle: Path) -> None:
    api = FaceApi(options("--model", bundle))
    face = Face(31.25, (24.5, 39.0), 90, None, 0, None)
    assert api.encode_response(Estimates([face], "")).model_dump() == {
        "faces": [
            {"face": 1, "box": None, "age": 31.25, "interval_low": 24.5, "interval_high": 39.0, "probability_female": None,
             "detector_score": None}
        ],
        "reason": None,
    }  # fmt: skip


def test_a_photo_without_a_detector_is_refused(bundle: Path, photo: Callable[..., np.ndarray]) -> None:
    api = FaceApi(options("--model", bundle))
    api.predictor = Predictor.load(bundle)
    [answer] = map(api.encode_response, api.predict([png(photo())]))
    assert NO_DETECTOR.encode() in answer.body  # type: ignore[attr-defined]


def test_the_image_is_base64() -> None:
    data = bytes(range(256))
    request = PhotoRequest.model_validate({"image": base64.b64encode(data).decode()})
    assert FaceApi.decode_request(None, request) == data  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        PhotoRequest.model_validate({"image": "abc"})  # cut


def test_a_model_that_cannot_be_loaded_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("logging.disable", lambda: None)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(Exception, match="neither a run directory"):
        FaceApi(options("--model", tmp_path)).setup("cpu")
    assert capsys.readouterr().err == (
        f"error: {tmp_path}: neither a run directory (it has no config.yaml) nor a bundle nor a checkpoint\n"
    )
