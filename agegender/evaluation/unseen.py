"""Faces that a model was trained or selected on do not test it: copies are refused or excluded."""

import logging
from pathlib import Path
from typing import Any, Literal

from agegender.data.datamodule import FaceDataModule
from agegender.data.seen import SeenImages, find_copies
from agegender.errors import AgeGenderError
from agegender.runs.chain import chain_of
from agegender.runs.run_directory import RunDirectory

log = logging.getLogger(__name__)


def require_unseen(
    data: FaceDataModule, run: RunDirectory, split: str, policy: Literal["refuse", "exclude"] = "refuse"
) -> dict[str, Any]:
    """Checks that no tested face is an image of the run's train or validation split, under whatever file name.

    Copies are byte-identical or, if ``data.near_copies`` is not None, near-identical: re-encoded or resized, for example.
    Near-identical images are not looked for, with a warning, if an earlier version wrote the run. A warning names the earlier
    trainings of a model (``init_from``) of which the images are not recorded.

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
    for stage in chain_of(run):
        if stage.seen is None:
            log.warning("%s: it is not checked whether the model has learned from the tested faces in that training", stage)
    return _leave_out(data, _parsed(run.read_seen(), run.seen, data), split, policy, "the run's train or val split")


def require_unseen_before(
    data: FaceDataModule, images: str, file: Path, policy: Literal["refuse", "exclude"]
) -> dict[str, Any]:
    """Checks that no test face of a run is an image that an earlier model, from which the run starts, has learned from.

    Copies in the validation split are counted in a warning: the best epoch is selected on faces that the model knows.

    Args:
        data: Of the run, set up. ``exclude`` drops faces from it.
        images: Content of the earlier model's ``seen.txt``.
        file: Where that content is, for messages.
        policy: ``refuse`` raises if there are copies; ``exclude`` drops them.

    Returns:
        As ``require_unseen``.

    Raises:
        AgeGenderError: There are copies and they are refused, or all test faces are copies, or ``images`` is damaged.
    """
    seen, frame = _parsed(images, file, data), data.table.frame
    validation = frame[frame["split"] == "val"]
    if known := len(find_copies(validation, seen, data.near_copies)):
        log.warning(
            "%d of %d validation faces are copies of images that an earlier model (init_from) was trained or selected on: "
            "validation metrics are too good", known, len(validation),
        )  # fmt: skip
    return _leave_out(data, seen, "test", policy, "the train or val split of an earlier model (init_from)")


def _parsed(text: str, file: Path, data: FaceDataModule) -> SeenImages:
    try:
        seen = SeenImages.parsed(text)
    except ValueError as error:
        raise AgeGenderError(f"{file}: {error}") from error
    if seen.unhashed and data.near_copies is not None:
        log.warning(
            "%s has no perceptual hashes of this version for %d of %d images: only byte-identical copies of them are found",
            file, seen.unhashed, len(seen.sha256),
        )  # fmt: skip
    return seen


def _leave_out(
    data: FaceDataModule, seen: SeenImages, split: str, policy: Literal["refuse", "exclude"], whose: str
) -> dict[str, Any]:
    """Refuses or drops the copies of seen images in a split, and counts them."""
    table = data.table
    tested = table.frame[table.frame["split"] == split]
    copies = find_copies(tested, seen, data.near_copies)
    counts = {kind: int((copies == kind).sum()) for kind in ("byte-identical", "near-identical")}
    if len(copies):
        found = f"{len(copies)} of {len(tested)} faces are copies of images of {whose}"
        found += f" ({', '.join(f'{number} {kind}' for kind, number in counts.items())})"
        if policy == "refuse" or len(copies) == len(tested):
            example = table.names()[copies.index[0]]
            raise AgeGenderError(
                f"{found}, for example {example}. The model was trained or selected on them, so they cannot test it"
                + ("" if len(copies) == len(tested) else ". seen=exclude tests the other faces")
            )
        log.info("%s: they are excluded (seen=exclude)", found)
        reasons = (f"image of {whose}: " + copies).reindex(table.frame.index, fill_value="")
        data.drop(reasons.tolist())
    excluded: dict[str, Any] = {kind.replace("-", "_"): number for kind, number in counts.items()}
    if len(data.sources) > 1:
        of = tested.loc[copies.index, "dataset"]
        excluded["by_dataset"] = {name: int((of == name).sum()) for name in data.sources}
    return excluded
