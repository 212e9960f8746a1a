"""Copies the weights of an earlier network into a new one where name and shape fit, and reports what did not."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from agegender.models.network import Network

UNCOUNTED = "num_batches_tracked"  # step counters of batch norm: they always fit, and are used without momentum only
SHOWN = 3  # names in a line


@dataclass
class PartTransfer:
    """One part of a network, such as ``backbone`` or ``heads.age``.

    Attributes:
        loaded: Names of its tensors that have the values of the earlier network now.
        other_shape: Shapes of those with another shape, by name: in the earlier network, and in this one.
        absent: Names of those that the earlier network does not have.
        unused: Names of tensors that only the earlier network has.
    """

    loaded: list[str] = field(default_factory=list)
    other_shape: dict[str, tuple[list[int], list[int]]] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Number of its tensors in this network."""
        return len(self.loaded) + len(self.other_shape) + len(self.absent)


def transfer(network: Network, weights: Mapping[str, Tensor]) -> dict[str, PartTransfer]:
    """Copies the tensors that a network has under the same name and with the same shape.

    Args:
        network: Is changed in place.
        weights: State dict of the earlier ``Network``.

    Returns:
        What was loaded of each part: ``backbone``, ``trunk``, ``towers.TASK`` and ``heads.TASK``, as far as they have tensors.
    """
    own = network.state_dict()
    parts: dict[str, PartTransfer] = {}
    for name in [*own, *(name for name in weights if name not in own)]:
        if name.endswith(UNCOUNTED):
            continue
        part = parts.setdefault(_part(name), PartTransfer())
        if name not in own:
            part.unused.append(name)
        elif name not in weights:
            part.absent.append(name)
        elif weights[name].shape != own[name].shape:
            part.other_shape[name] = (list(weights[name].shape), list(own[name].shape))
        else:
            part.loaded.append(name)
    fitting = {name for part in parts.values() for name in part.loaded}
    network.load_state_dict({name: weights[name] for name in fitting}, strict=False)
    return parts


def _part(name: str) -> str:
    first, *rest = name.split(".")
    return ".".join([first, *rest[:1]]) if first in ("towers", "heads") else first


def transfer_lines(parts: Mapping[str, PartTransfer]) -> list[str]:
    """A line for each part with the number of loaded tensors, and one for each tensor with another shape."""
    lines = []
    for name, part in parts.items():
        lines.append(f"  {name}: {len(part.loaded)} of {part.total} tensors loaded")
        lines += [f"    {key}: {theirs} in the earlier model, {ours} here" for key, (theirs, ours) in part.other_shape.items()]
        for what, names in (("not in the earlier model", part.absent), ("in the earlier model only", part.unused)):
            shown = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
            lines += [f"    {len(names)} {what}: {shown}"] if names else []
    return lines
