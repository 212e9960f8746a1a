"""The predictor as an HTTP API of LitServe: a photo in JSON comes in, the faces in it go out as JSON."""

import argparse
import logging
import signal
import sys
import time
from typing import Any

import litserve
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from litserve.loops.simple_loops import BatchedLoop
from pydantic import Base64Bytes, BaseModel, Field

from agegender.errors import AgeGenderError
from agegender.inference.model_options import CAVEAT, load_predictor
from agegender.inference.photos import NO_FACE, Estimates, predict_photos
from agegender.inference.prediction_file import face_rows
from agegender.inference.server_options import url
from agegender.version import __version__

WAIT = 0.005  # seconds between two looks for requests, and of waiting for more requests of a batch
PAGES = ("/docs", "/redoc", "/docs/oauth2-redirect")  # they load scripts from other servers


class PhotoRequest(BaseModel):
    """A photo."""

    image: Base64Bytes = Field(description="The bytes of an image file (JPEG, PNG, WebP, BMP, GIF, TIFF) in Base64.")


class FaceAnswer(BaseModel):
    """A face. Gender is binary and means appearance; no estimate is an identity."""

    face: int = Field(description="Number of the face in the photo; the largest is 1.")
    box: list[float] | None = Field(description="x0, y0, x1, y1 in pixels; null if the whole image was taken as the face.")
    age: float | None = Field(description="Years.")
    interval_low: float | None = Field(description="Years; null if the model is not calibrated.")
    interval_high: float | None = Field(description="Years; null if the model is not calibrated.")
    probability_female: float | None = Field(description="0 to 1.")
    detector_score: float | None = Field(description="0 to 1; null if the whole image was taken as the face.")


class PhotoAnswer(BaseModel):
    """The faces of a photo."""

    faces: list[FaceAnswer]
    reason: str | None = Field(description="Why there is no face; null if there is one.")


class PatientLoop(BatchedLoop):
    """Sleeps while there is no request. LitServe's own loop uses an eighth of a core then."""

    def get_batch_requests(self, lit_api: litserve.LitAPI, request_queue: Any, transport: Any) -> Any:
        """Returns the next batch."""
        while request_queue.empty():
            time.sleep(WAIT)
        return super().get_batch_requests(lit_api, request_queue, transport)


class FaceApi(litserve.LitAPI):
    """Estimates the faces of photos, those of several requests at once.

    Args:
        options: Those of `agegender.inference.model_options.add_model_options`, ``host`` and ``port``.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(max_batch_size=options.batch_size, batch_timeout=WAIT, loop=PatientLoop())
        self.options = options

    def setup(self, device: str) -> None:
        """Loads the model, in the process that will use it."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the first process too, which ends this one
        try:
            self.predictor = load_predictor(self.options)
        except AgeGenderError as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
            logging.disable()  # LitServe logs a traceback and ends the server
            raise
        print(f"ready: {url(self.options.host, self.options.port)}predict", file=sys.stderr, flush=True)

    def decode_request(self, request: PhotoRequest) -> bytes:
        """Returns the bytes of the image file."""
        return request.image

    def batch(self, inputs: list[bytes]) -> list[bytes]:
        """Leaves the photos as they are; each has its own size."""
        return inputs

    def predict(self, photos: list[bytes]) -> list[Estimates]:
        """Finds and estimates the faces of each photo."""
        return list(predict_photos(self.predictor, photos, crops_by_size=self.options.detector == "auto"))

    def encode_response(self, estimates: Estimates) -> PhotoAnswer:
        """Returns the faces, or an error with the reason if the photo cannot be used.

        An exception would be the answer to every request of the batch, so the error is a response, which FastAPI accepts.
        """
        if not estimates.faces and estimates.reason != NO_FACE:
            return JSONResponse({"detail": estimates.reason}, status_code=422)  # type: ignore[return-value]
        return PhotoAnswer.model_validate({"faces": face_rows(estimates.faces), "reason": estimates.reason or None})


def face_server(options: argparse.Namespace, max_bytes: int) -> litserve.LitServer:
    """A server with the routes ``POST /predict``, ``GET /health``, ``GET /info`` and ``GET /openapi.json``.

    Args:
        options: See `FaceApi`.
        max_bytes: Largest request; a larger one is refused with status 413.
    """
    server = litserve.LitServer(
        FaceApi(options), accelerator="cpu", max_payload_size=max_bytes, model_metadata={"caveat": CAVEAT}
    )
    app = server.app
    app.title, app.description, app.version = "agegender", CAVEAT, __version__
    app.router.routes[:] = [route for route in app.router.routes if getattr(route, "path", None) not in PAGES]
    [predict] = [route for route in app.router.routes if getattr(route, "path", None) == "/predict"]
    predict.responses = {413: _error("The request is too large."), 422: _error("The photo or the request cannot be used.")}
    app.add_exception_handler(RequestValidationError, _refused)
    return server


def _error(description: str) -> dict[str, Any]:
    schema = {"type": "object", "required": ["detail"], "properties": {"detail": {"type": "string"}}}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


async def _refused(request: Request, error: Any) -> JSONResponse:
    """One line about a request that does not match the schema; FastAPI's answer would repeat the photo."""
    lines = [": ".join([*(part for part in one["loc"][1:] if isinstance(part, str)), one["msg"]]) for one in error.errors()]
    return JSONResponse({"detail": "; ".join(lines)}, status_code=422)
