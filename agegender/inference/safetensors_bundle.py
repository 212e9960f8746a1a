"""A bundle for further training: the weights of a network, its configuration, and hashes of the images it has learned from.

The folder holds ``model.safetensors``, ``network.json`` and, if the run recorded them, ``seen.txt``, beside the files that
every bundle has. Needs torch.
"""

import json
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from agegender.errors import AgeGenderError
from agegender.inference.bundle import read_checked
from agegender.models.checkpoint import errors_named, read_model, without_weights
from agegender.models.network import Network
from agegender.models.weights import require_finite
from agegender.runs.run_directory import RunDirectory

WEIGHTS = "model.safetensors"
NETWORK = "network.json"
SEEN = "seen.txt"


def safetensors_files(run: RunDirectory, network: Network) -> dict[str, Any]:
    """The files of this format for the best model of a run, by name.

    Args:
        run: The run.
        network: Its trained network.

    Raises:
        AgeGenderError: A file of the run cannot be read.
    """
    arguments, _ = read_model(run.best)
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    seen = {SEEN: run.read_seen()} if run.seen.exists() else {}
    about = {name: arguments[name] for name in ("network", "about")}
    return {WEIGHTS: safetensors.torch.save(weights), NETWORK: about, **seen}


def read_safetensors(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor], str | None]:
    """Reads a bundle of this format.

    Returns:
        ``network``, the configuration of the network, and ``about``, as an ``AgeGenderModule`` takes them; the weights of the
        network; and the content of ``seen.txt``, None if it is missing.

    Raises:
        AgeGenderError: A file is missing, damaged or changed, an earlier version wrote it, or a weight is not finite.
    """
    files = read_checked(folder, (WEIGHTS, NETWORK))
    try:
        arguments, weights = json.loads(files[NETWORK]), safetensors.torch.load(files[WEIGHTS])
        seen = files[SEEN].decode("utf-8") if SEEN in files else None
    except (ValueError, RecursionError, SafetensorError) as error:
        raise AgeGenderError(f"{folder}: cannot be read: {error}") from error
    if not isinstance(arguments, dict) or not {"network", "about"} <= arguments.keys():
        raise AgeGenderError(
            f"{folder / NETWORK}: does not say what the model was trained on, because an earlier version exported it: export "
            "the run again"
        )
    with errors_named(folder):
        require_finite(weights)
        return {**arguments, "network": without_weights(arguments["network"])}, weights, seen
