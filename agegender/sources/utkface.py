"""UTKFace (Zhang, Song and Qi, 2017): 23,708 faces labelled by their file names."""

import re
from pathlib import Path, PurePosixPath

from agegender.errors import AgeGenderError
from agegender.input_paths import InputFolder
from agegender.sources.download import download_utkface
from agegender.sources.faces import FaceTable, Skipped
from agegender.sources.listing import IMAGE_SUFFIXES, list_files

RACES = ("White", "Black", "Asian", "Indian", "Others")
MAX_AGE = 120

# A space or a missing dot before "jpg" and an odd number of digits in the timestamp occur in the release and are
# harmless: the three labels before them stand where they must.
_NAME = re.compile(r"([0-9]+)_([0-9]+)_([0-9]+)_[0-9]{16,18} *\.?jpg(\.chip\.jpg)?", re.IGNORECASE | re.ASCII)
_FIELD_MISSING = re.compile(r"[0-9]+_+[0-9]*_+[0-9]{16,18} *\.?jpg(\.chip\.jpg)?", re.IGNORECASE | re.ASCII)


class UTKFace:
    """Reads `[age]_[gender]_[race]_[timestamp].jpg.chip.jpg`, and `.jpg` in the wild, from a folder and its subfolders.

    A file whose labels cannot be read safely is set aside with its reason; nothing is guessed.

    Args:
        root: folder of the images.
        download: fetch the aligned and cropped faces from the Hugging Face hub if the folder is absent or empty.
        name: name of the data set in tables and reports.
    """

    license = (
        "UTKFace: for non-commercial research only. Age, gender and race describe appearance as estimated by a model "
        "(DEX) and checked by people; they are not what the persons say of themselves."
    )

    def __init__(self, root: InputFolder, download: bool = False, name: str = "utkface") -> None:
        self.root = Path(root).expanduser()
        self.download = download
        self.name = name

    def read(self) -> FaceTable:
        """Lists the files and parses their names; decodes nothing.

        Raises:
            AgeGenderError: the root is no folder that can be listed, or no file in it is named like a face.
        """
        if self.download:
            download_utkface(self.root, self.license)
        files, skipped = list_files(self.root, self.name)
        rows = []
        for path, labels in zip(files, map(_labels, files), strict=True):
            if isinstance(labels, str):
                skipped.append(Skipped(f"{self.name}/{path}", labels))
            else:
                rows.append((path, *labels))
        if not rows:
            raise AgeGenderError(
                f"data.root={self.root} holds no face named [age]_[gender]_[race]_[timestamp].jpg "
                f"({len(files)} files of other names)"
            )
        paths, ages, genders, races = zip(*rows, strict=True)
        columns = {"path": paths, "age_low": ages, "age_high": ages, "gender": genders, "race": races}
        return FaceTable.of(self.name, self.root, columns, skipped)


def _labels(path: str) -> tuple[int, int, str] | str:
    """Age in years, gender and race of a file name, or the reason why they cannot be told."""
    name = PurePosixPath(path).name
    match = _NAME.fullmatch(name)
    if match is None:
        if _FIELD_MISSING.fullmatch(name):
            return "a label is missing from the file name, gender or race: which one cannot be told"
        suffix = PurePosixPath(name).suffix.lower()
        if suffix in IMAGE_SUFFIXES:
            return "not named [age]_[gender]_[race]_[timestamp].jpg"
        return "not an image file"
    age, gender, race = (int(match[i]) for i in (1, 2, 3))
    if age > MAX_AGE:
        return f"age {age} is above {MAX_AGE}"
    if gender not in (0, 1):
        return f"gender {gender} is neither 0 (male) nor 1 (female)"
    if race >= len(RACES):
        return f"race {race} is not in 0 to {len(RACES) - 1}"
    return age, gender, RACES[race]
