"""Smaller ONNX models: weights in half precision, or int8 by ONNX Runtime's static quantisation."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from agegender.errors import AgeGenderError
from agegender.inference.bundle import INPUT

BATCH = 16  # images of one calibration step


def half(model: bytes) -> bytes:
    """Stores weights as float16 and computes with them; input and outputs keep their types.

    On CPUs without float16 arithmetic ONNX Runtime converts while it computes, so the file is smaller but not faster.
    """
    onnx = _onnx()
    from onnxruntime.transformers.float16 import convert_float_to_float16

    converted = convert_float_to_float16(onnx.load_from_string(model), keep_io_types=True)
    return converted.SerializeToString()


def int8(model: bytes, faces: Sequence[np.ndarray]) -> bytes:
    """Quantises convolutions and matrix products: signed int8, weights per channel, ranges from faces.

    Args:
        model: As `agegender.inference.onnx_export.to_onnx` returns it.
        faces: Training faces as the model takes them, uint8 [S, S, 3] each; a hundred or more.
    """
    _onnx()
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Faces(CalibrationDataReader):
        def __init__(self) -> None:
            self._batches: Iterator[np.ndarray] = (np.stack(faces[i : i + BATCH]) for i in range(0, len(faces), BATCH))

        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(self._batches, None)
            return None if batch is None else {INPUT: batch}

    with tempfile.TemporaryDirectory() as folder:
        plain, prepared, quantised = (Path(folder) / f"{name}.onnx" for name in ("plain", "prepared", "quantised"))
        plain.write_bytes(model)
        quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(quantised),
            Faces(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Gemm", "MatMul"],
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
        )
        return quantised.read_bytes()


def _onnx() -> ModuleType:
    try:
        import onnx
    except ImportError as error:
        raise AgeGenderError("--precision needs more packages: pip install 'agegender[export]'") from error
    return onnx


@dataclass(frozen=True)
class Loss:
    """How much worse a smaller model is than the network it was made from, on the same faces.

    Attributes:
        faces: Number of faces.
        age_distance: Mean distance in years from the labelled age or range, of the network and of the smaller model; None
            without age labels.
        gender_accuracy: Share of right answers of both; None without gender labels.
    """

    faces: int
    age_distance: tuple[float, float] | None
    gender_accuracy: tuple[float, float] | None

    def __str__(self) -> str:
        """Both values of each metric, and the number of faces."""
        parts = []
        if self.age_distance is not None:
            parts.append(f"label distance {self.age_distance[0]:.3f} becomes {self.age_distance[1]:.3f} years")
        if self.gender_accuracy is not None:
            parts.append(f"gender accuracy {self.gender_accuracy[0]:.2%} becomes {self.gender_accuracy[1]:.2%}")
        return f"{'; '.join(parts) or 'no labels to compare on'} (n={self.faces}, validation split)"

    def require_small(self, years: float, accuracy: float) -> None:
        """Checks that the smaller model is nearly as good.

        Args:
            years: Largest increase of the label distance.
            accuracy: Largest decrease of the gender accuracy.

        Raises:
            AgeGenderError: It is worse; the message has all values.
        """
        worse = []
        if self.age_distance is not None and not self.age_distance[1] - self.age_distance[0] <= years:
            worse.append(
                f"label distance {self.age_distance[0]:.2f} becomes {self.age_distance[1]:.2f} years (allowed: {years:g} more)"
            )
        if self.gender_accuracy is not None and not self.gender_accuracy[0] - self.gender_accuracy[1] <= accuracy:
            before, after = self.gender_accuracy
            worse.append(f"gender accuracy {before:.1%} becomes {after:.1%} (allowed: {accuracy:.1%} less)")
        if worse:
            raise AgeGenderError(f"refused: {'; '.join(worse)} on {self.faces} validation faces. Use --precision fp16 or fp32")


def loss_of_precision(before: dict[str, np.ndarray], after: dict[str, np.ndarray], age: np.ndarray, gender: np.ndarray) -> Loss:
    """Compares the outputs of a network and of a smaller model.

    Args:
        before: Outputs of the network.
        after: Outputs of the smaller model.
        age: Lowest and highest age in years, [N, 2], which are equal for an exact age; NaN if unknown.
        gender: 0 male, 1 female, NaN unknown; [N].
    """

    def distance(outputs: dict[str, np.ndarray]) -> float:
        estimate = outputs["age"]
        return float(np.nanmean(np.maximum(0, np.maximum(age[:, 0] - estimate, estimate - age[:, 1]))))

    def accuracy(outputs: dict[str, np.ndarray]) -> float:
        known = ~np.isnan(gender)
        return float(np.mean((outputs["probability_female"] >= 0.5)[known] == (gender[known] == 1)))

    ages = "age" in before and not np.isnan(age).all()
    genders = "probability_female" in before and not np.isnan(gender).all()
    return Loss(
        faces=len(age),
        age_distance=(distance(before), distance(after)) if ages else None,
        gender_accuracy=(accuracy(before), accuracy(after)) if genders else None,
    )
