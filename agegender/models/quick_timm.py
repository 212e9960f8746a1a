"""Imports timm without wandb: ``timm.utils`` imports it if it is installed, which takes a second of CPU time."""

import sys

_absent = "wandb" not in sys.modules
if _absent:
    sys.modules["wandb"] = None  # type: ignore[assignment]  # an import of it fails, which timm allows
try:
    import timm
finally:
    if _absent:
        del sys.modules["wandb"]

__all__ = ["timm"]
