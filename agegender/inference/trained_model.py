"""A trained network with the interface of a bundle. Needs torch."""

import dataclasses
from typing import Any

import numpy as np
import torch

from agegender.errors import AgeGenderError
from agegender.inference.bundle import INPUT, OUTPUTS, SCHEMA
from agegender.inference.face_crop import FacePlace
from agegender.models.checkpoint import TrainedNetwork
from agegender.sources.resizing import INTERPOLATION


class TrainedModel:
    """A trained network that predicts as `agegender.inference.bundle.Bundle` does.

    Args:
        trained: The network.
        place: Where faces are in the training crops; None if that was not measured.
        calibration: Content of ``calibration.json``; None if the model is not calibrated.
        device: Such as ``cpu`` or ``cuda:0``.
        metrics: Content of ``metrics.json``; None if the model was not tested.

    Attributes:
        preprocess: As in the ``preprocess.json`` of a bundle.
        labels: As in the ``labels.json`` of a bundle.
        calibration: The argument.
        metrics: The argument.
        network: On its device, in evaluation mode.
        device: The device.

    Raises:
        AgeGenderError: There is no such device.
    """

    def __init__(
        self,
        trained: TrainedNetwork,
        place: FacePlace | None = None,
        calibration: dict[str, Any] | None = None,
        device: str = "cpu",
        metrics: dict[str, Any] | None = None,
    ) -> None:
        self.preprocess = preprocess(trained, place)
        self.labels = labels(trained)
        self.calibration = calibration
        self.metrics = metrics
        try:
            self.device = torch.device(device)
            self.network = trained.network.eval().to(self.device)
        except (RuntimeError, AssertionError) as error:  # torch asserts that CUDA was compiled in
            raise AgeGenderError(f"device {device}: {str(error).splitlines()[0]}") from error

    def outputs(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """See `agegender.inference.bundle.Bundle.outputs`."""
        with torch.inference_mode():
            pixels = torch.from_numpy(np.ascontiguousarray(images)).to(self.device).permute(0, 3, 1, 2)
            estimates = self.network.estimate(self.network(pixels))
        return {name: estimates[name].float().cpu().numpy() for name in OUTPUTS if name in estimates}


def preprocess(trained: TrainedNetwork, place: FacePlace | None) -> dict[str, Any]:
    """How to prepare a face for a network: the content of ``preprocess.json``."""
    return {
        "schema": SCHEMA,
        "input": {"name": INPUT, "layout": "NHWC", "dtype": "uint8", "colour": "RGB"},
        "image_size": trained.image_size,
        "interpolation": INTERPOLATION,
        "crop": crop(trained),
        "normalisation": {"where": "inside the model", "mean": list(trained.mean), "std": list(trained.std)},
        "face_place": None if place is None else dataclasses.asdict(place),
    }


def crop(trained: TrainedNetwork) -> dict[str, Any] | None:
    """How a network needs images cropped that are one face each; None if its training datasets had different crops."""
    crops = set(trained.crops.values())
    return dataclasses.asdict(crops.pop()) if len(crops) == 1 else None


def labels(trained: TrainedNetwork) -> dict[str, Any]:
    """What the outputs of a network mean, and the licences of its training data: the content of ``labels.json``."""
    return {
        "schema": SCHEMA,
        "tasks": list(trained.tasks),
        "age_range": list(trained.age_range),
        "gender": dict(trained.gender),
        "licenses": dict(trained.licenses),
    }
