"""The protocol of a paper compared with the protocol of a run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agegender.configuration.paper import SPLITS
from agegender.runs.finished_run import Run

KNOWN_TO_PAPERS = ("backbone",)  # every paper states it, so a block without it is incomplete, not silent
SHARE_TOLERANCE = 0.01  # 80:20 of 23,705 faces is not exact


@dataclass
class Agreement:
    """How far a paper's protocol agrees with ours.

    Args:
        same: Items that agree, in words.
        differs: Items that differ, in words.
        unsaid: Items that the paper does not say.
        notes: Differences that only a person can judge.
    """

    same: list[str] = field(default_factory=list)
    differs: list[str] = field(default_factory=list)
    unsaid: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def mark(self) -> str:
        """``≠`` if an item differs, else ``?`` if the paper leaves an item out, else ``=``."""
        return "≠" if self.differs else "?" if self.unsaid else "="


def ours(run: Run) -> dict[str, Any]:
    """The run's protocol, with the keys of ``agegender.configuration.paper.Protocol``."""
    run = run.origin
    config, counts = run.config, {split: run.count(split) for split in SPLITS}
    trainer, total = config.get("trainer") or {}, max(sum(counts.values()), 1)
    backbone = config.get("backbone") or {}
    devices = trainer.get("devices", 1)
    batches = devices if isinstance(devices, int) and devices > 0 else 1  # of all ranks, in the steps that share an update
    batches *= (trainer.get("num_nodes") or 1) * (trainer.get("accumulate_grad_batches") or 1)
    batch = (config.get("loader") or {}).get("batch_size")
    return {
        "data": run.sources,
        "fractions": [counts[split] / total for split in SPLITS],
        "n": counts,
        "image_size": config.get("image_size"),
        "batch_size": batch * batches if batch else None,
        "epochs": trainer.get("max_epochs"),
        "backbone": backbone.get("name") or str(backbone.get("_target_", "")).rpartition(".")[2],
        "age_range": config.get("age_range"),
    }


def beside(paper: Mapping[str, Any], run: Run) -> Agreement:
    """Compares a paper's protocol with the run's, item by item."""
    theirs, result = dict(paper.get("protocol") or {}), Agreement()
    result.notes = list(theirs.get("notes") or [])
    for key, own in ours(run).items():
        value = theirs.get(key)
        if value is None:
            if key not in KNOWN_TO_PAPERS:
                result.unsaid.append(key)
        elif key == "n":
            for split, number in value.items():
                text = f"n {split} {number:,}" + ("" if own.get(split) == number else f", ours {own.get(split, 0):,}")
                (result.same if own.get(split) == number else result.differs).append(text)
        elif SAME.get(key, lambda a, b: a == b)(value, own):
            result.same.append(f"{key} {_text(key, value)}")
        else:
            result.differs.append(f"{key} {_text(key, value)}, ours {_text(key, own)}")
    return result


SAME: dict[str, Callable[[Any, Any], bool]] = {
    "data": lambda theirs, own: sorted(theirs) == sorted(own),
    "fractions": lambda theirs, own: (
        len(theirs) == len(own) and all(abs(a - b) <= SHARE_TOLERANCE for a, b in zip(theirs, own, strict=True))
    ),
}


def _text(key: str, value: Any) -> str:
    if key == "fractions":
        return "/".join(f"{100 * share:.0f}" for share in value)
    return "+".join(map(str, value)) if key == "data" else str(value)
