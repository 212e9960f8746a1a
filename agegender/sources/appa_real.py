"""APPA-REAL (Agustsson and others, 2017): 7,591 faces with the real age and what about 38 people took it for."""

from typing import Literal

from agegender.input_paths import InputFolder
from agegender.sources.faces import FaceTable
from agegender.sources.folder import FolderFaces
from agegender.sources.tables import Table

_AGES = {"real": "real_age", "apparent": "apparent_age_avg"}
_PARTS = {"train": "train", "valid": "val", "test": "test"}


class AppaReal(FolderFaces):
    """Reads `gt_avg_{train,valid,test}.csv` and the cropped faces `{train,valid,test}/NNNNNN.jpg_face.jpg`.

    The three parts are the authors'. The uncropped `NNNNNN.jpg` beside each face is set aside.

    Args:
        root: The folder `appa-real-release`.
        age: `real`, or `apparent`: the mean of the guesses, rounded to a year. Guesses are completed years, and so is what
            heads learn, which cut the fraction off: a mean of 29.9 is 30.
        name: Name of the data set in tables and reports.
        missing: What to do about rows whose image the folder lacks: `error`, or `skip` and report.
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
            f"APPA-REAL: for research only. Ages are {age}" + (" (mean of people's guesses)." if age == "apparent" else "."),
            tables={
                part: Table(
                    f"gt_avg_{part}.csv",
                    columns={"age": _AGES[age]},
                    image=part + "/{file_name}_face.jpg",
                    labels={"split": split},
                )
                for part, split in _PARTS.items()
            },
            missing=missing,
        )

    def read(self) -> FaceTable:
        """See the base class."""
        table = super().read()
        ages = ["age_low", "age_high"]
        table.frame[ages] = table.frame[ages].round()  # real ages are whole
        return table
