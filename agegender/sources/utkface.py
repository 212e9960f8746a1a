"""UTKFace (Zhang, Song & Qi, 2017): 23,708 faces with their labels in the file names."""

import re
from pathlib import Path, PurePosixPath

from agegender.errors import AgeGenderError
from agegender.input_paths import InputFolder, MakesMissing
from agegender.sources.download import download_utkface
from agegender.sources.faces import FaceTable, Skipped
from agegender.sources.listing import IMAGE_SUFFIXES, list_files

RACES = ("White", "Black", "Asian", "Indian", "Others")
MAX_AGE = 120

# The release has names with a space or without a dot before "jpg", and timestamps of 16 or 18 instead of 17 digits. They are
# accepted, because the three labels before the timestamp are complete.
_NAME = re.compile(r"([0-9]+)_([0-9]+)_([0-9]+)_[0-9]{16,18} *\.?jpg(\.chip\.jpg)?", re.IGNORECASE | re.ASCII)
_FIELD_MISSING = re.compile(r"[0-9]+_+[0-9]*_+[0-9]{16,18} *\.?jpg(\.chip\.jpg)?", re.IGNORECASE | re.ASCII)


class UTKFace:
    """Reads images named `[age]_[gender]_[race]_[timestamp].jpg.chip.jpg` (aligned) or `.jpg` (in the wild).

    Subfolders are read too. Files with incomplete or invalid labels in their name are skipped with a reason.

    Args:
        root: Folder of the images.
        download: Download the aligned and cropped faces from the Hugging Face hub if the folder is absent or empty.
        name: Name of the dataset in tables and reports.
    """

    license = (
        "UTKFace: for non-commercial research only. Age, gender and race describe appearance as estimated by a model "
        "(DEX) and checked by annotators; the persons did not state them."
    )

    def __init__(self, root: InputFolder, download: MakesMissing = False, name: str = "utkface") -> None:
        self.root = Path(root).expanduser()
        self.download = download
        self.name = name

    def read(self) -> FaceTable:
        """List the files and parse their names, without decoding images.

        Raises:
            AgeGenderError: The root cannot be listed or no file has a name of this form.
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
                f"data.root={self.root} has no file named [age]_[gender]_[race]_[timestamp].jpg "
                f"({len(files)} files with other names)"
            )
        paths, ages, genders, races = zip(*rows, strict=True)
        columns = {"path": paths, "age_low": ages, "age_high": ages, "gender": genders, "race": races}
        return FaceTable.of(self.name, self.root, columns, skipped)


def _labels(path: str) -> tuple[int, int, str] | str:
    """Age in years, gender and race from a file name, or the reason why the file is skipped."""
    name = PurePosixPath(path).name
    match = _NAME.fullmatch(name)
    if match is None:
        if _FIELD_MISSING.fullmatch(name):
            return "gender or race is missing in the file name"
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
