"""Exports a trained network as an ONNX model, and checks it against the network."""

import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from agegender.errors import AgeGenderError
from agegender.inference.bundle import INPUT, OUTPUTS
from agegender.models.network import Network

TOLERANCE = {"age": 1e-3, "probability_female": 1e-4, "age_distribution": 1e-4}
"""Largest difference from the network: years, and probability."""

BATCHES = (1, 2, 5, 33)
"""Batch sizes of the check."""


class DeployedNetwork(nn.Module):
    """A network with the input and the outputs of a bundle.

    Args:
        network: In evaluation mode.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.image_size = size = network.image_size
        with torch.inference_mode():
            blank = torch.zeros(1, 3, size, size, dtype=torch.uint8)
            estimates = network.estimate(network(blank))
        self.names = [name for name in OUTPUTS if name in estimates]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Maps RGB images, uint8 [B, S, S, 3], to the outputs in the order of ``names``."""
        estimates = self.network.estimate(self.network(image.permute(0, 3, 1, 2)))
        return tuple(estimates[name] for name in self.names)

    def outputs(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs for a batch as arrays, as `agegender.inference.bundle.Bundle.outputs` returns them."""
        with torch.inference_mode():
            values = self(torch.from_numpy(np.ascontiguousarray(images)))
        return {name: value.float().cpu().numpy() for name, value in zip(self.names, values, strict=True)}


def to_program(deployed: DeployedNetwork) -> torch.export.ExportedProgram:
    """Traces the network as a torch program with a dynamic batch size.

    Raises:
        AgeGenderError: The network has an operation that cannot be exported.
    """
    with _errors_named():
        return torch.export.export(deployed, (_example(deployed),), dynamic_shapes=_dynamic_batch())


def to_onnx(deployed: DeployedNetwork) -> bytes:
    """Exports the network as an ONNX model with uint8 images as input and a dynamic batch size.

    Raises:
        AgeGenderError: The network has an operation that cannot be exported, or the packages for ONNX are not installed.
    """
    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise AgeGenderError("exporting to ONNX needs more packages: pip install 'agegender[export]'") from error
    with _errors_named(), warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        exported = torch.onnx.export(
            deployed,
            (_example(deployed),),
            dynamo=True,
            dynamic_shapes=_dynamic_batch(),
            input_names=[INPUT],
            output_names=deployed.names,
            verbose=False,
        )
        assert exported is not None  # with dynamo=True it is a program
        file = Path(folder) / "model.onnx"
        exported.save(file, external_data=False)
        return file.read_bytes()


def _example(deployed: DeployedNetwork) -> Tensor:
    size = deployed.image_size
    return torch.zeros(2, size, size, 3, dtype=torch.uint8)  # a batch of 1 would be traced as a constant


def _dynamic_batch() -> tuple[dict[int, torch.export.Dim]]:
    return ({0: torch.export.Dim("batch", max=65536)},)


@contextmanager
def _errors_named() -> Iterator[None]:
    try:
        yield
    except Exception as error:  # torch.export and torch.onnx raise many types
        raise AgeGenderError(f"this network cannot be exported: {str(error).strip().splitlines()[0]}") from error


def differences(expected: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray]) -> dict[str, tuple[float, float, float]]:
    """For each output the largest difference, and the two values that differ by it (expected, found)."""
    result = {}
    for name, values in expected.items():
        gap = np.abs(values.astype(np.float64) - found[name].astype(np.float64))
        at = np.unravel_index(int(np.nan_to_num(gap, nan=np.inf).argmax()), gap.shape)
        result[name] = float(gap[at]), float(values[at]), float(found[name][at])
    return result


def require_parity(
    deployed: DeployedNetwork,
    outputs: Callable[[np.ndarray], Mapping[str, np.ndarray]],
    images: Sequence[np.ndarray],
    batches: Sequence[int] = BATCHES,
) -> dict[str, float]:
    """Compares an exported model with the network.

    Args:
        deployed: The network.
        outputs: The exported model.
        images: RGB, uint8 [S, S, 3] each, at least one; repeated if a batch needs more.
        batches: Batch sizes to compare.

    Returns:
        The largest difference of each output.

    Raises:
        AgeGenderError: A difference is above `TOLERANCE`; the message has both values.
    """
    largest: dict[str, float] = dict.fromkeys(deployed.names, 0.0)
    for size in batches:
        batch = np.stack([images[i % len(images)] for i in range(size)])
        for name, (gap, expected, found) in differences(deployed.outputs(batch), outputs(batch)).items():
            if not gap <= TOLERANCE[name]:
                raise AgeGenderError(
                    f"the exported model differs from the network: {name} is {found:.6g} instead of {expected:.6g} in a "
                    f"batch of {size} (allowed difference {TOLERANCE[name]:g})"
                )
            largest[name] = max(largest[name], gap)
    return largest
