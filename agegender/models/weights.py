"""Loading a backbone's weights from a local file, with a report of what matched."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

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
    """Which tensors of a file went into a module.

    Attributes:
        path: The file.
        prefix: What the file's names had in front of the module's names ("" for nothing).
        matched: Names in the module that received the file's values.
        missing: Names in the module that the file lacks; they keep their initial values.
        mismatched: Names in both, of another shape in the file; they keep their initial values.
        unexpected: Names in the file that the module has no place for, such as a classifier's.
    """

    path: Path
    prefix: str
    matched: list[str]
    missing: list[str]
    mismatched: list[str]
    unexpected: list[str]

    def __str__(self) -> str:
        """One line, with the first names of whatever did not match."""
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

    A state dict may be nested (``{"state_dict": ...}``) and its names may carry any common prefix ("module.",
    "backbone.", ...). Tensors without a place in the module, a classifier for instance, are ignored and reported.

    Args:
        module: Receives the weights in place.
        path: The file. Its format is told by its content, and nothing in it is executed.
        convert: Rewrites the file's tensors for the module before they are matched (timm's
            ``checkpoint_filter_fn``, which resizes position embeddings).

    Returns:
        What matched; also logged, as a warning if a tensor of the module stayed as it was.

    Raises:
        AgeGenderError: The file is absent, holds no weights, or less than 90% of the module's tensors match.
    """
    path = Path(path)
    tensors = _read(path)
    targets = module.state_dict()
    prefix = _common_prefix(tensors, targets)
    tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    if convert is not None:
        tensors = convert(tensors, module)

    # BatchNorm's step counters matter only without momentum, and older files lack them.
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
            f"backbone.weights={report}. At least {MIN_MATCHED:.0%} must match: is this file of another model? "
            f"The backbone's names look like {', '.join(list(counted)[:3])}."
        )
    module.load_state_dict({name: tensors[name] for name in report.matched}, strict=False)
    logger.log(logging.WARNING if report.missing or report.mismatched else logging.INFO, "Weights from %s", report)
    return report


def _read(path: Path) -> dict[str, Tensor]:
    """Reads the named tensors of a file, without running any code a pickle may carry."""
    try:
        with open_bytes(path) as file:
            start = file.read(9)
        is_safetensors = start[8:9] == b"{"  # 8 bytes of length, then a JSON object
        content = safetensors.torch.load_file(path) if is_safetensors else torch.load(path, "cpu", weights_only=True)
    except FileNotFoundError:
        raise AgeGenderError(f"backbone.weights={path}: there is no such file.") from None
    except Exception as error:  # torch reports damage through many exception types
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise AgeGenderError(
            f"backbone.weights={path}: neither a safetensors file nor a torch state dict of plain tensors ({reason})."
        ) from error
    while isinstance(content, Mapping) and (key := next((k for k in NESTED_UNDER if _is_dict(content.get(k))), None)):
        content = content[key]
    tensors = {k: v for k, v in content.items() if isinstance(v, Tensor)} if isinstance(content, Mapping) else {}
    if not tensors:
        raise AgeGenderError(f"backbone.weights={path}: holds no named tensors, so it is no state dict.")
    return tensors


def _is_dict(value: object) -> bool:
    return isinstance(value, Mapping) and len(value) > 0


def _common_prefix(names: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> str:
    """The prefix after which most of the file's names are names of the module ("" when none is)."""
    votes: Counter[str] = Counter()
    for name in names:
        parts = name.split(".")
        for i in range(len(parts)):
            if ".".join(parts[i:]) in targets:
                votes[".".join(parts[:i]) + "." * (i > 0)] += 1
    return votes.most_common(1)[0][0] if votes else ""
