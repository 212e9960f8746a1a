"""Faces that a model was trained or selected on do not test it: copies are refused or excluded."""

import logging
from typing import Any, Literal

from agegender.data.datamodule import FaceDataModule
from agegender.data.seen import SeenImages, find_copies
from agegender.errors import AgeGenderError
from agegender.runs.run_directory import RunDirectory

log = logging.getLogger(__name__)


def require_unseen(
    data: FaceDataModule, run: RunDirectory, split: str, policy: Literal["refuse", "exclude"] = "refuse"
) -> dict[str, Any]:
    """Checks that no tested face is an image of the run's train or validation split, under whatever file name.

    Copies are byte-identical or, if ``data.near_copies`` is not None, near-identical: re-encoded or resized, for example.
    Near-identical images are not looked for, with a warning, if an earlier version wrote the run.

    Args:
        data: Set up. ``exclude`` drops faces from it.
        run: The run.
        split: The tested split.
        policy: ``refuse`` raises if there are copies; ``exclude`` drops them.

    Returns:
        Number of excluded faces, ``byte_identical`` and ``near_identical``; and, if the data are of several data sets,
        ``by_dataset``, the number of excluded faces of each.

    Raises:
        AgeGenderError: There are copies and they are refused, or all faces are copies, or ``seen.txt`` is missing or damaged.
    """
    try:
        seen = SeenImages.parsed(run.read_seen())
    except ValueError as error:
        raise AgeGenderError(f"{run.seen}: {error}") from error
    if seen.phash is None and data.near_copies is not None:
        log.warning(
            "%s has no perceptual hashes of this version: only byte-identical copies of the images that the model was trained "
            "on are found", run.seen
        )  # fmt: skip
    table = data.table
    tested = table.frame[table.frame["split"] == split]
    copies = find_copies(tested, seen, data.near_copies)
    counts = {kind: int((copies == kind).sum()) for kind in ("byte-identical", "near-identical")}
    if len(copies):
        found = f"{len(copies)} of {len(tested)} faces are copies of images of the run's train or val split"
        found += f" ({', '.join(f'{number} {kind}' for kind, number in counts.items())})"
        if policy == "refuse" or len(copies) == len(tested):
            example = table.names()[copies.index[0]]
            raise AgeGenderError(
                f"{found}, for example {example}. The model was trained or selected on them, so they cannot test it"
                + ("" if len(copies) == len(tested) else ". seen=exclude tests the other faces")
            )
        log.info("%s: they are excluded (seen=exclude)", found)
        reasons = ("image of the run's train or val split: " + copies).reindex(table.frame.index, fill_value="")
        data.drop(reasons.tolist())
    excluded: dict[str, Any] = {kind.replace("-", "_"): number for kind, number in counts.items()}
    if len(data.sources) > 1:
        of = tested.loc[copies.index, "dataset"]
        excluded["by_dataset"] = {name: int((of == name).sum()) for name in data.sources}
    return excluded
