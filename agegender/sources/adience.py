"""Adience (Eidinger, Enbar and Hassner, 2014): 26,580 faces of 2,284 persons from albums on Flickr, in five folds."""

from typing import Literal

from agegender.input_paths import InputFolder
from agegender.sources.folder import FolderFaces
from agegender.sources.tables import Table

FOLDS = 5
_PREFIXES = {"aligned": "landmark_aligned_face", "faces": "coarse_tilt_aligned_face"}


class Adience(FolderFaces):
    """Reads `fold_0_data.txt` to `fold_4_data.txt` and the images that they name.

    Ages are mostly one of eight ranges, such as `(25, 32)`. Some rows hold another range or a single age such as 35: they
    are taken as they are. `None` and the gender `u` are unknown. All faces from one album share a part, as they share a
    fold. The table of faces has a further column `fold`.

    Args:
        root: Folder that holds the fold files and the folder `aligned` or `faces`.
        images: `aligned` by landmarks, or `faces` as they were cut out.
        test_fold: The fold to test on, 0 to 4, the others being for training; None leaves parts to the split.
        name: Name of the data set in tables and reports.
        missing: What to do about rows whose image the folder lacks: `error`, or `skip` and report.
    """

    def __init__(
        self,
        root: InputFolder,
        images: Literal["aligned", "faces"] = "aligned",
        test_fold: Literal[0, 1, 2, 3, 4] | None = None,
        name: str = "adience",
        missing: Literal["error", "skip"] = "error",
    ) -> None:
        parts = (
            {} if test_fold is None else {fold: {"split": "test" if fold == test_fold else "train"} for fold in range(FOLDS)}
        )
        super().__init__(
            root,
            name,
            "Adience: for research; pictures Creative Commons from Flickr. Ages and genders as judged by appearance.",
            tables={
                f"fold_{fold}": Table(
                    f"fold_{fold}_data.txt",
                    columns={"group": "user_id"},
                    delimiter="tab",
                    image=f"{images}/{{user_id}}/{_PREFIXES[images]}.{{face_id}}.{{original_image}}",
                    labels={"fold": str(fold), **parts.get(fold, {})},
                )
                for fold in range(FOLDS)
            },
            values={"age": {"None": "unknown"}, "gender": {"m": "male", "f": "female", "u": "unknown"}},
            missing=missing,
        )
