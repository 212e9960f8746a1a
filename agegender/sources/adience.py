"""Adience (Eidinger, Enbar & Hassner, 2014): 26,580 faces of 2,284 persons from Flickr albums, in five folds."""

from typing import Literal

from agegender.input_paths import InputFolder
from agegender.sources.folder import FolderFaces
from agegender.sources.tables import Table

FOLDS = 5
_PREFIXES = {"aligned": "landmark_aligned_face", "faces": "coarse_tilt_aligned_face"}


class Adience(FolderFaces):
    """Reads `fold_0_data.txt` to `fold_4_data.txt` and their images.

    Most ages are one of eight ranges, such as `(25, 32)`. Some rows have another range or a single age, such as 35; these
    are used unchanged. The age `None` and the gender `u` are unknown. All faces of one album are in one fold and in one
    group. The face table has an extra column `fold`, which `split=folds` reads.

    Args:
        root: Folder of the fold files and of the folder `aligned` or `faces`.
        images: `aligned` (aligned by landmarks) or `faces` (cropped without alignment).
        name: Name of the dataset in tables and reports.
        missing: What to do if images of the label file are not in the folder: `error`, or `skip` their rows and report them.
    """

    def __init__(
        self,
        root: InputFolder,
        images: Literal["aligned", "faces"] = "aligned",
        name: str = "adience",
        missing: Literal["error", "skip"] = "error",
    ) -> None:
        super().__init__(
            root,
            name,
            "Adience: for research; images from Flickr under Creative Commons. Ages and genders as judged by appearance.",
            tables={
                f"fold_{fold}": Table(
                    f"fold_{fold}_data.txt",
                    columns={"group": "user_id"},
                    delimiter="tab",
                    image=f"{images}/{{user_id}}/{_PREFIXES[images]}.{{face_id}}.{{original_image}}",
                    labels={"fold": str(fold)},
                )
                for fold in range(FOLDS)
            },
            values={"age": {"None": "unknown"}, "gender": {"m": "male", "f": "female", "u": "unknown"}},
            missing=missing,
        )
