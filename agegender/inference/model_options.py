"""Options of the command line that choose a model and a face detector, and the `Predictor` that they describe."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from agegender.errors import AgeGenderError

if TYPE_CHECKING:
    from agegender.inference.faces import FaceDetector
    from agegender.inference.predictor import Predictor

RELEASED = Path(__file__).parent / "released"
CAVEAT = (
    "Estimates of how faces look to others, with errors; gender is binary by appearance. They are not a person's age, gender "
    "or identity."
)


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that `load_predictor` reads."""
    parser.add_argument("--model", metavar="RUN_DIR_OR_BUNDLE", help="default: the released model")
    parser.add_argument(
        "--detector",
        choices=("auto", "none", "yunet"),
        default="auto",
        help="none: each image is one cropped face; yunet: search each image for faces; auto (default): small, nearly square "
        "images are cropped faces, others are searched",
    )
    parser.add_argument("--detector-weights", type=Path, metavar="FILE", help="YuNet model file (ONNX)")
    parser.add_argument(
        "--download-detector", action="store_true", help="download YuNet (233 KB, MIT licence) from OpenCV's model zoo once"
    )
    parser.add_argument("--flip", action="store_true", help="average each face with its mirror image; takes twice as long")
    parser.add_argument("--level", type=int, choices=(50, 80, 90, 95), default=90, help="percent of the age intervals")
    parser.add_argument("--batch-size", type=positive, default=32, metavar="N", help="faces estimated at once (default 32)")
    parser.add_argument("--device", default="cpu", help="for a run directory: cpu, cuda:0 ...")
    parser.add_argument("--threads", type=positive, metavar="N", help="default: all cores")


def positive(text: str) -> int:
    """An integer of at least 1, as the type of an option."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected an integer of at least 1")
    return int(text)


def load_predictor(options: argparse.Namespace) -> "Predictor":
    """Loads the model and the detector that the options name.

    Args:
        options: Parsed from a command line with `add_model_options`.

    Raises:
        AgeGenderError: There is no such model or detector, or it cannot be used.
    """
    from agegender.inference.predictor import Predictor

    return Predictor.load(
        _released() if options.model is None else options.model,
        _detector(options),
        options.device,
        options.threads,
        flip=options.flip,
        level=options.level,
        batch_size=options.batch_size,
    )


def _detector(options: argparse.Namespace) -> "FaceDetector | None":
    if options.detector == "none":
        return None
    from agegender.inference.faces import YuNet, download_yunet, yunet_file

    if options.detector_weights is not None:
        return YuNet(options.detector_weights)
    if options.download_detector:
        return YuNet(download_yunet())
    if yunet_file().is_file():
        return YuNet(yunet_file())
    if options.detector == "yunet":
        raise AgeGenderError(
            f"--detector yunet needs its model file: add --download-detector (233 KB, MIT licence, kept as {yunet_file()}), or "
            "--detector-weights FILE"
        )
    return None


def _released() -> Path:
    if not RELEASED.is_dir():
        raise AgeGenderError("--model RUN_DIR_OR_BUNDLE is needed: this version has no released model")
    return RELEASED
