"""A paper's figures and protocol beside those of a run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agegender.configuration.paper import PARTS
from agegender.runs.finished_run import Run

OURS_TO_NAME = ("backbone",)  # an experiment that leaves it out has not recorded it; the paper does say it
SHARE_TOLERANCE = 0.01  # 80:20 of 23,705 faces need not come out to the face


@dataclass
class Agreement:
    """What can be said of a paper's protocol and ours.

    Args:
        same: Items that agree, in words.
        differs: Items that do not.
        unsaid: What the paper does not say.
        notes: What only a person can compare.
    """

    same: list[str] = field(default_factory=list)
    differs: list[str] = field(default_factory=list)
    unsaid: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def mark(self) -> str:
        """``≠`` where something is known to differ, ``?`` where the paper says too little to tell, ``=`` where all agree."""
        return "≠" if self.differs else "?" if self.unsaid else "="


def ours(run: Run) -> dict[str, Any]:
    """The run's protocol in the words of ``agegender.configuration.paper.Protocol``."""
    run = run.origin
    config, counts = run.config, {part: run.count(part) for part in PARTS}
    trainer, total = config.get("trainer") or {}, max(sum(counts.values()), 1)
    backbone = config.get("backbone") or {}
    devices = trainer.get("devices", 1)
    together = (devices if isinstance(devices, int) and devices > 0 else 1) * (trainer.get("accumulate_grad_batches") or 1)
    batch = (config.get("loader") or {}).get("batch_size")
    return {
        "data": run.sources,
        "fractions": [counts[part] / total for part in PARTS],
        "n": counts,
        "image_size": config.get("image_size"),
        "batch_size": batch * together if batch else None,
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
            if key not in OURS_TO_NAME:
                result.unsaid.append(key)
        elif key == "n":
            for part, number in value.items():
                text = f"n {part} {number:,}" + ("" if own.get(part) == number else f", ours {own.get(part, 0):,}")
                (result.same if own.get(part) == number else result.differs).append(text)
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
