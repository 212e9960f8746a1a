"""The chain of trainings behind a run that starts from an earlier model (``init_from``)."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from agegender.errors import AgeGenderError
from agegender.runs.run_directory import RunDirectory


@dataclass(frozen=True)
class Stage:
    """One earlier training.

    Args:
        data: Licence and source of each of its datasets, by name.
        sha256: Of the file with its weights, hexadecimal.
        seen: Number of images that it and the stages before it have learned from; None if they are not recorded.
        path: Run directory, checkpoint or bundle; None if not known.
        config: Its configuration; None if not known.

    Raises:
        TypeError: A value has the wrong type.
    """

    data: dict[str, str]
    sha256: str
    seen: int | None
    path: str | None = None
    config: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        for value, kind in (
            (self.data, dict), (self.sha256, str), (self.seen, int | None), (self.path, str | None), (self.config, dict | None),
        ):  # fmt: skip
            if not isinstance(value, kind):
                raise TypeError(f"{value!r}: expected {kind}")

    def __str__(self) -> str:
        """One line: datasets, file and number of images."""
        images = "its images are not recorded" if self.seen is None else f"{self.seen} images seen"
        return f"trained on {'+'.join(self.data)} ({self.path or 'unknown place'}, sha256 {self.sha256[:12]}; {images})"

    def portable(self) -> dict[str, Any]:
        """Plain values for a checkpoint, which may be passed on: no path and no configuration."""
        return {"data": dict(self.data), "sha256": self.sha256, "seen": self.seen}


def write_chain(run: RunDirectory, chain: Sequence[Stage], loaded: Mapping[str, Any]) -> None:
    """Writes ``init_from.yaml``.

    Args:
        run: The run that starts from the last stage.
        chain: All stages, the oldest first.
        loaded: Number of tensors of each part of the network that were loaded, and of all.
    """
    run.write_init({"chain": [asdict(stage) for stage in chain], "loaded": dict(loaded)})


def chain_of(run: RunDirectory) -> tuple[Stage, ...]:
    """The stages before a run, the oldest first; empty if it does not start from an earlier model.

    Raises:
        AgeGenderError: The file is damaged.
    """
    try:
        return tuple(Stage(**stage) for stage in run.read_init()["chain"])
    except (TypeError, KeyError) as error:
        raise AgeGenderError(f"{run.init}: cannot be read: {type(error).__name__}: {error}") from error
