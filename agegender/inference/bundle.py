"""A bundle: a trained model in a folder that needs only NumPy and ONNX Runtime, without torch.

The folder holds ``model.onnx``, ``preprocess.json`` (how to prepare a face), ``labels.json`` (what the outputs mean, the
datasets and their licences), ``licenses.md``, ``config.yaml`` (of the training), ``checksums.txt`` in the format of
``sha256sum``, and, if the model was tested, ``modelcard.md``, ``metrics.json`` and ``calibration.json``.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from agegender.errors import AgeGenderError

MODEL = "model.onnx"
PREPROCESS = "preprocess.json"
LABELS = "labels.json"
CALIBRATION = "calibration.json"
METRICS = "metrics.json"
CARD = "modelcard.md"
LICENSES = "licenses.md"
CONFIG = "config.yaml"
CHECKSUMS = "checksums.txt"
REQUIRED = (MODEL, PREPROCESS, LABELS)

SCHEMA = 1
"""Version of ``preprocess.json`` and ``labels.json``. A bundle of a later version is refused."""

INPUT = "image"
"""Name of the model's input: RGB images, uint8 [B, image_size, image_size, 3]. The model normalises them itself."""

OUTPUTS = ("age", "probability_female", "age_distribution")
"""Names of the model's outputs, each present if the model has it. Shapes and units are those of `Bundle.outputs`."""


class OnnxModel:
    """An exported model on the CPU.

    Args:
        model: The bytes of ``model.onnx``. ONNX Runtime opens bytes only if no weight is in another file.
        name: Of the file, for messages.
        threads: Threads of one prediction; None: all cores.

    Attributes:
        image_size: Side of the square images in pixels.

    Raises:
        AgeGenderError: ONNX Runtime is not installed or cannot open it, or it has other inputs or outputs than a bundle's.
    """

    def __init__(self, model: bytes, name: str | Path = MODEL, threads: int | None = None) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise AgeGenderError("a bundle needs ONNX Runtime: pip install onnxruntime") from error
        self.name = name
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # errors are raised too
        if threads is not None:
            options.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises its own types, which are not exported by name
            raise AgeGenderError(f"{name}: ONNX Runtime cannot open it: {str(error)[:300]}") from error
        inputs = [(tensor.name, tensor.type, tensor.shape[1:]) for tensor in self._session.get_inputs()]
        outputs = {output.name: output.type for output in self._session.get_outputs()}
        self.image_size = inputs[0][2][0] if inputs and len(inputs[0][2]) == 3 else None
        expected = [(INPUT, "tensor(uint8)", [self.image_size, self.image_size, 3])]
        if inputs != expected or outputs.keys() - set(OUTPUTS) or set(outputs.values()) != {"tensor(float)"}:
            raise AgeGenderError(f"{name}: not a model of agegender: inputs {inputs}, outputs {outputs}")
        self._names = list(outputs)

    def outputs(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """See `Bundle.outputs`.

        Raises:
            AgeGenderError: ONNX Runtime cannot run the model, or an output has another shape or values that are not finite.
        """
        try:
            outputs = dict(zip(self._names, self._session.run(None, {INPUT: images}), strict=True))
        except Exception as error:  # as in the constructor
            raise AgeGenderError(f"{self.name}: ONNX Runtime cannot run it: {str(error)[:300]}") from error
        for name, values in outputs.items():
            if values.ndim != (2 if name == "age_distribution" else 1) or len(values) != len(images):
                raise AgeGenderError(f"{self.name}: {name} has the shape {values.shape} for {len(images)} images")
            if not np.isfinite(values).all():
                raise AgeGenderError(f"{self.name}: {name} is not finite")
        return outputs


class Bundle:
    """A model that was exported with ``python -m agegender.export``.

    Args:
        path: The folder.
        threads: Threads of one prediction; None: all cores.

    Attributes:
        preprocess: Content of ``preprocess.json``.
        labels: Content of ``labels.json``.
        calibration: Content of ``calibration.json``; None if the model is not calibrated.
        metrics: Content of ``metrics.json``; None if the model was not tested.

    Raises:
        AgeGenderError: A file is missing, is a link, does not have its checksum, or cannot be used by this version.
    """

    def __init__(self, path: str | Path, threads: int | None = None) -> None:
        self.path = Path(path)
        files = read_checked(self.path, REQUIRED)
        self.preprocess = _described(self.path / PREPROCESS, files[PREPROCESS])
        self.labels = _described(self.path / LABELS, files[LABELS])
        self.calibration = _json(self.path / CALIBRATION, files[CALIBRATION]) if CALIBRATION in files else None
        self.metrics = _json(self.path / METRICS, files[METRICS]) if METRICS in files else None
        self._model = OnnxModel(files[MODEL], self.path / MODEL, threads)
        if self.preprocess.get("image_size") != self._model.image_size:
            raise AgeGenderError(f"{self.path / PREPROCESS}: image_size is not the size of the model's input")

    def outputs(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Estimates age and gender of a batch of faces.

        Args:
            images: RGB, uint8 [B, image_size, image_size, 3].

        Returns:
            ``age`` in years, [B]; ``probability_female`` in 0..1, [B] (binary, by appearance); ``age_distribution``,
            probabilities of the whole years of ``labels["age_range"]``, [B, years]. A key is missing if the model does not
            estimate it.
        """
        return self._model.outputs(images)


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Names the file of a model that has unusable content, in place of the error that its content causes.

    Raises:
        AgeGenderError: A key is missing, or a value is not allowed.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise AgeGenderError(f"{name} of the model cannot be used: {type(error).__name__}: {error}") from error


def checksums(files: Mapping[str, bytes]) -> str:
    """The text of ``checksums.txt`` for the files of a bundle, by name; ``sha256sum -c`` verifies it."""
    return "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))


def is_bundle(path: str | Path) -> bool:
    """Whether a folder looks like a bundle. Nothing is verified."""
    return (Path(path) / MODEL).is_file()


def listed_files(checksums: Path) -> dict[str, str]:
    """The SHA-256 of each file of a bundle by its name, from ``checksums.txt``.

    Raises:
        AgeGenderError: The file is missing, or a line does not name a file in the same folder.
    """
    files = {}
    for line in _read(checksums.parent, checksums.name).decode("utf-8", "replace").splitlines():
        expected, _, name = line.partition("  ")
        if name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name:
            raise AgeGenderError(f"{checksums}: {line[:100]!r} does not name a file of the bundle")
        files[name] = expected
    return files


def read_checked(folder: Path, required: Sequence[str]) -> dict[str, bytes]:
    """All files that ``checksums.txt`` lists, by name, after a check of their SHA-256.

    Args:
        folder: The bundle.
        required: Names of files that it must list.

    Raises:
        AgeGenderError: A file is missing, is a link, or does not have its checksum.
    """
    files = {}
    for name, expected in listed_files(folder / CHECKSUMS).items():
        files[name] = _read(folder, name)
        if hashlib.sha256(files[name]).hexdigest() != expected:
            raise AgeGenderError(f"{folder / name}: damaged or changed: its SHA-256 is not the one in {CHECKSUMS}")
    for name in required:
        if name not in files:
            raise AgeGenderError(f"{folder / CHECKSUMS}: does not list {name}; not a bundle of agegender")
    return files


def _read(folder: Path, name: str) -> bytes:
    file = folder / name
    if file.is_symlink():
        raise AgeGenderError(f"{file}: refused: a link; the files of a bundle must be in its folder")
    if not file.is_file():
        raise AgeGenderError(f"{folder}: not a bundle: it has no file {name}")
    try:
        return file.read_bytes()
    except OSError as error:
        raise AgeGenderError(f"{file}: cannot be read: {error.strerror or error}") from error


def _json(file: Path, data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise AgeGenderError(f"{file}: not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise AgeGenderError(f"{file}: must hold a JSON object, not {type(value).__name__}")
    return value


def _described(file: Path, data: bytes) -> dict[str, Any]:
    value = _json(file, data)
    if value.get("schema") != SCHEMA:
        raise AgeGenderError(f"{file}: has schema {value.get('schema')!r}; this version reads schema {SCHEMA}")
    return value
