"""Train, compare, audit and ship models that estimate age and gender from faces."""

import os
from typing import TYPE_CHECKING

from agegender.version import __version__

if TYPE_CHECKING:
    from agegender.inference.predictor import Predictor

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # ONNX Runtime 1.29 and later send usage data to Microsoft otherwise

__all__ = ["Predictor", "__version__"]


def __getattr__(name: str) -> object:
    """Imports ``Predictor`` when it is first used, so that ``import agegender`` stays cheap."""
    if name == "Predictor":
        from agegender.inference.predictor import Predictor

        return Predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
