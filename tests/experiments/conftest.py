"""Experiments as a person without any pretrained weights would run them."""

from collections.abc import Callable
from typing import Any

import pytest

from agegender.configuration.command import compose


@pytest.fixture(scope="session")
def experiment() -> Callable[..., dict[str, Any]]:
    """Composes an experiment: ``experiment(name, *overrides)``."""

    def experiment(name: str, *overrides: str) -> dict[str, Any]:
        roots = ["data.utkface.root=/faces", "data.fairface.root=/faces"] if "mixed" in name else ["data.root=/faces"]
        own = [*roots, "data.pretrained=false"]
        own += ["backbone.weights=null"] if "vggface" in name else []
        own += ["data.database=UTKFace_aligned.json", "split.benchmark=UTKFace.yaml"] if "paplham" in name else []
        return compose([f"experiment={name}", *own, *overrides])

    return experiment
