"""Loads the weights of a backbone from a local file and reports which of them match."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import safetensors.torch
import torch
from torch import Tensor, nn

from agegender.errors import AgeGenderError
from agegender.regular_files import open_bytes

logger = logging.getLogger(__name__)

NESTED_UNDER = ("state_dict", "model_state_dict", "state_dict_ema", "model", "net")
MIN_MATCHED = 0.9

Converter = Callable[[dict[str, Tensor], nn.Module], dict[str, Tensor]]


@dataclass(frozen=True)
class WeightsReport:
    """Which tensors of a module were replaced by those of a file.

    Attributes:
        path: The file.
        prefix: Prefix of the file's names that the module's names do not have; may be empty.
        matched: Names of the module that have the file's values now.
        missing: Names of the module that are not in the file. They keep their values.
        mismatched: Names of both with different shapes. They keep their values.
        unexpected: Names of the file that are not in the module, such as those of a classifier.
    """

    path: Path
    prefix: str
    matched: list[str]
    missing: list[str]
    mismatched: list[str]
    unexpected: list[str]

    def __str__(self) -> str:
        """One line with the number of tensors of each kind, and the first names of those that do not match."""
        total = len(self.matched) + len(self.missing) + len(self.mismatched)
        parts = [f"{len(self.matched)} of {total} tensors match"]
        parts += [f"prefix '{self.prefix}' removed"] if self.prefix else []
        for reason in ("missing", "mismatched", "unexpected"):
            names = getattr(self, reason)
            shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            parts += [f"{len(names)} {reason} ({shown})"] if names else []
        return f"{self.path}: " + "; ".join(parts)


def load_weights(module: nn.Module, path: str | Path, convert: Converter | None = None) -> WeightsReport:
    """Copies the tensors of a safetensors file or a torch state dict into a module.

    A state dict may be nested (``{"state_dict": ...}``), and its names may have a common prefix, such as "module." or
    "backbone.". Tensors that the module does not have, such as those of a classifier, are ignored and reported.

    Args:
        module: Is changed in place.
        path: The file. Its content decides the format, not its name. No code in the file is run.
        convert: Changes the file's tensors before they are matched, like timm's ``checkpoint_filter_fn``, which resizes
            position embeddings.

    Returns:
        What matched. It is also logged, as a warning if tensors of the module keep their values.

    Raises:
        AgeGenderError: The file does not exist, has no weights, its weights are not finite, or less than 90% of the
            module's tensors match.
    """
    path = Path(path)
    tensors = _read(path)
    targets = module.state_dict()
    prefix = _common_prefix(tensors, targets)
    tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    if convert is not None:
        tensors = convert(tensors, module)

    # The step counters of batch norm are used only without momentum, and older files do not have them.
    counted = {name: target for name, target in targets.items() if not name.endswith("num_batches_tracked")}
    present = [name for name in counted if name in tensors]
    report = WeightsReport(
        path=path,
        prefix=prefix,
        matched=[name for name in present if tensors[name].shape == counted[name].shape],
        missing=[name for name in counted if name not in tensors],
        mismatched=[name for name in present if tensors[name].shape != counted[name].shape],
        unexpected=[name for name in tensors if name not in targets],
    )
    if len(report.matched) < MIN_MATCHED * len(counted):
        raise AgeGenderError(
            f"backbone.weights={report}. At least {MIN_MATCHED:.0%} must match. Is this a file of another model? "
            f"The backbone's names are, for example, {', '.join(list(counted)[:3])}."
        )
    try:
        require_finite({name: tensors[name] for name in report.matched})
    except AgeGenderError as error:
        raise AgeGenderError(f"backbone.weights={path}: {error}") from error
    module.load_state_dict({name: tensors[name] for name in report.matched}, strict=False)
    logger.log(logging.WARNING if report.missing or report.mismatched else logging.INFO, "Weights from %s", report)
    return report


def require_finite(weights: Mapping[str, Tensor]) -> None:
    """Refuses weights that are NaN or infinite.

    Raises:
        AgeGenderError: Names the first tensor that holds such a value, and how many do.
    """
    broken = [name for name, value in weights.items() if isinstance(value, Tensor) and not torch.isfinite(value).all()]
    if broken:
        raise AgeGenderError(f"{broken[0]} has values that are not finite ({len(broken)} of {len(weights)} tensors do)")


def _read(path: Path) -> dict[str, Tensor]:
    """Reads the named tensors of a file. No code in the file is run."""
    try:
        with open_bytes(path) as file:
            start = file.read(9)
        is_safetensors = start[8:9] == b"{"  # 8 bytes of length, then a JSON object
        content = safetensors.torch.load_file(path) if is_safetensors else torch.load(path, "cpu", weights_only=True)
    except FileNotFoundError:
        raise AgeGenderError(f"backbone.weights={path}: there is no such file.") from None
    except UnpicklingError as error:  # torch's own message recommends to load the file with weights_only=False
        raise AgeGenderError(
            f"backbone.weights={path}: not a safetensors file or a torch state dict of plain tensors: damaged, or holds code"
        ) from error
    except Exception as error:  # torch reports damage through many exception types
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise AgeGenderError(
            f"backbone.weights={path}: not a safetensors file or a torch state dict of plain tensors ({reason})."
        ) from error
    while isinstance(content, Mapping) and (key := next((k for k in NESTED_UNDER if _is_dict(content.get(k))), None)):
        content = content[key]
    tensors = {k: v for k, v in content.items() if isinstance(v, Tensor)} if isinstance(content, Mapping) else {}
    if not tensors:
        raise AgeGenderError(f"backbone.weights={path}: not a state dict, because it has no named tensors.")
    return tensors


def _is_dict(value: object) -> bool:
    return isinstance(value, Mapping) and len(value) > 0


def _common_prefix(names: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> str:
    """The prefix that must be removed for most of the file's names to be names of the module; may be empty."""
    votes: Counter[str] = Counter()
    for name in names:
        parts = name.split(".")
        for i in range(len(parts)):
            if ".".join(parts[i:]) in targets:
                votes[".".join(parts[:i]) + "." * (i > 0)] += 1
    return votes.most_common(1)[0][0] if votes else ""
