"""APPA-REAL (Agustsson et al., 2017): 7,591 faces with their real age and the mean guess of about 38 people."""

from typing import Literal

from agegender.input_paths import InputFolder
from agegender.sources.folder import FolderFaces
from agegender.sources.tables import Table

_AGES = {"real": "real_age", "apparent": "apparent_age_avg"}
_SPLITS = {"train": "train", "valid": "val", "test": "test"}


class AppaReal(FolderFaces):
    """Reads `gt_avg_{train,valid,test}.csv` and the cropped faces `{train,valid,test}/NNNNNN.jpg_face.jpg`.

    The three splits are those of the authors. The uncropped images `NNNNNN.jpg` are skipped.

    Args:
        root: The folder `appa-real-release`.
        age: `real`, or `apparent`: the mean of the guesses, rounded to the nearest year.
        name: Name of the dataset in tables and reports.
        missing: What to do if images of the label file are not in the folder: `error`, or `skip` their rows and report them.
    """

    def __init__(
        self,
        root: InputFolder,
        age: Literal["real", "apparent"] = "real",
        name: str = "appa_real",
        missing: Literal["error", "skip"] = "error",
    ) -> None:
        super().__init__(
            root,
            name,
            f"APPA-REAL: for research only. Ages are {age}" + (" (mean of human guesses)." if age == "apparent" else "."),
            tables={
                folder: Table(
                    f"gt_avg_{folder}.csv",
                    columns={"age": _AGES[age]},
                    image=folder + "/{file_name}_face.jpg",
                    labels={"split": split},
                )
                for folder, split in _SPLITS.items()
            },
            missing=missing,
            round_ages=True,
        )
