"""IMDB-WIKI (Rothe, Timofte & Van Gool, 2015): 523,051 images of celebrities, with labels from a web crawler."""

from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.io import loadmat

from agegender.errors import AgeGenderError
from agegender.input_paths import InputFolder
from agegender.regular_files import open_bytes
from agegender.sources.box import box_text, parse_box
from agegender.sources.faces import FEMALE, MALE, FaceTable, Skipped
from agegender.sources.listing import IMAGE_SUFFIXES, list_files, path_in_root

FIELDS = ("dob", "photo_taken", "full_path", "gender", "face_score", "second_face_score")
_EPOCH = 719_529  # 1970-01-01 as a MATLAB date number
_LISTED = 5


class ImdbWiki:
    """Reads `imdb.mat` or `wiki.mat` and its images: crops of faces, or whole pictures with the boxes of the metadata.

    The crawler knows only the year of an image and assigns its label to the face with the highest detector score, so many
    labels are wrong. Skipped, each with a reason: images without a detected face, with a low detector score, with a second
    face, taken before the birth of the person, or with an age above `max_age`. The age is the age in the middle of the year
    of the image, as in the paper. Faces of unknown gender are kept. All images of a person are one group.

    Args:
        root: The folder `imdb_crop` or `wiki_crop`, or with `boxes` that of the whole pictures and of the metadata.
        part: `imdb` or `wiki`.
        min_face_score: Lowest score of the face detector.
        second_face: `drop` or `keep` images with a second face: the label may belong to that face.
        max_age: Highest age in years.
        name: Name of the dataset in tables and reports.
        boxes: The images are whole pictures, in which `face_location` of the metadata is the face. The crops of the release
            have a margin of 40% of the box on each side; `data.crop_scale=1.8` cuts out the same region.
        missing: What to do if images of the metadata are not in the folder: `error`, or `skip` their entries and report them.
    """

    license = (
        "IMDB-WIKI: for academic research only; the images belong to their owners. Ages from dates of birth and of images, "
        "genders from profiles; both are wrong for the many images that show another person."
    )

    def __init__(
        self,
        root: InputFolder,
        part: Literal["imdb", "wiki"] = "imdb",
        min_face_score: float = 1.0,
        second_face: Literal["drop", "keep"] = "drop",
        max_age: float = 100,
        name: str = "imdb_wiki",
        missing: Literal["error", "skip"] = "error",
        boxes: bool = False,
    ) -> None:
        self.root = Path(root).expanduser()
        self.name = name
        self.part = part
        self.min_face_score = min_face_score
        self.second_face = second_face
        self.max_age = max_age
        self.missing = missing
        self.boxes = boxes

    def read(self) -> FaceTable:
        """List the files and read the metadata, without decoding images.

        Raises:
            AgeGenderError: the metadata cannot be read or lack a field, images are missing (with `missing=error`) or outside
                the root, or no face is left.
        """
        files, skipped = list_files(self.root, self.name)
        faces = self._metadata()
        outside = faces["path"].isna()
        if outside.any():
            first = int(np.flatnonzero(outside)[0])
            what = f"{outside.sum()} entries of {self.part}.mat (the first is number {first})"
            raise AgeGenderError(f"{what} have a path outside data.root={self.root}")
        named = set(faces["path"])
        others = [file for file in files if file not in named and file != f"{self.part}.mat"]
        images = [PurePosixPath(file).suffix.lower() in IMAGE_SUFFIXES for file in others]
        skipped += [
            Skipped(f"{self.name}/{file}", f"no entry in {self.part}.mat" if image else "not an image file")
            for file, image in zip(others, images, strict=True)
        ]
        notes = self._check_present(faces, set(files))
        reasons = self._reasons(faces, set(files))
        skipped += [
            Skipped(f"{self.name}/{path}", reason) for path, reason in zip(faces["path"], reasons, strict=True) if reason
        ]
        faces = faces[[not reason for reason in reasons]]
        if faces.empty:
            raise AgeGenderError(f"data.root={self.root} has no usable face ({len(skipped)} files or entries skipped)")
        persons = faces["path"].str.extract(r"([^/_]+)_[^/]*$")[0]  # nm0000001 in 01/nm0000001_rm124825600_1899-5-10_1968.jpg
        group = (f"{self.name}:" + persons).where(persons.notna(), f"{self.name}/" + faces["path"])
        columns = {"path": faces["path"], "age_low": faces["age"], "age_high": faces["age"], "gender": faces["gender"]}
        box = {"box": faces["box"]} if self.boxes else {}
        table = FaceTable.of(self.name, self.root, {**columns, **box, "group": group}, skipped)
        table.notes += notes
        return table

    def _metadata(self) -> pd.DataFrame:
        """Path (None if outside the root), age in years, gender and both detector scores of each entry."""
        fields = self._fields()
        dated = np.abs(fields["dob"]) < 1e7  # False for NaN
        birth = (np.floor(np.where(dated, fields["dob"], _EPOCH)) - _EPOCH).astype("int64").astype("datetime64[D]")
        year, month = np.divmod(birth.astype("datetime64[M]").astype("int64"), 12)
        # For a birthday in July or later, the age in the middle of the year is one less.
        age = fields["photo_taken"] - (1970 + year) - (month >= 6)
        return pd.DataFrame(
            {
                "path": [path_in_root(str(path), self.root) for path in fields["full_path"]],
                "age": np.where(dated, age, np.nan),
                "gender": pd.array(pd.Series(fields["gender"]).map({0.0: FEMALE, 1.0: MALE}), dtype="Int8"),
                "face_score": fields["face_score"],
                "second_face_score": fields["second_face_score"],
                "box": fields.get("face_location", ""),
            }
        )

    def _fields(self) -> dict[str, Any]:
        file = self.root / f"{self.part}.mat"
        if not file.is_file():
            raise AgeGenderError(f"data.root={self.root} has no {self.part}.mat")
        try:  # loadmat parses numbers, text, cells and structs of MATLAB 5 files and executes no code
            with open_bytes(file) as opened:
                record = loadmat(opened, squeeze_me=False, variable_names=[self.part])[self.part][0, 0]
        except Exception as error:  # an untrusted file raises ValueError, TypeError, KeyError, zlib.error, MatReadError ...
            raise AgeGenderError(f"{file} cannot be read as IMDB-WIKI metadata: {error or type(error).__name__}") from error
        wanted = (*FIELDS, "face_location") if self.boxes else FIELDS
        absent = [field for field in wanted if field not in (record.dtype.names or ())]
        if absent:
            raise AgeGenderError(f"{file} has no field {', '.join(absent)}")
        try:
            fields: dict[str, Any] = {name: record[name].ravel().astype(float) for name in FIELDS if name != "full_path"}
            fields["full_path"] = [str(cell.item()) if cell.size else "" for cell in record["full_path"].ravel()]
            if self.boxes:
                fields["face_location"] = [_box(cell) for cell in record["face_location"].ravel()]
        except (TypeError, ValueError, AttributeError) as error:
            raise AgeGenderError(f"{file} is not IMDB-WIKI metadata: {error}") from error
        lengths = {name: len(values) for name, values in fields.items()}
        if len(set(lengths.values())) > 1:
            raise AgeGenderError(f"{file}: the fields have different lengths: {lengths}")
        return fields

    def _check_present(self, faces: pd.DataFrame, files: set[str]) -> list[str]:
        absent = faces["path"][~faces["path"].isin(files)].tolist()
        if not absent:
            return []
        first = ", ".join(absent[:_LISTED]) + (", ..." if len(absent) > _LISTED else "")
        what = f"{len(absent)} of {len(faces)} entries of {self.part}.mat have no image in data.root={self.root}: {first}"
        if self.missing == "error":
            raise AgeGenderError(f"{what}; set data.missing=skip to skip them")
        return [f"{what} (data.missing=skip)"]

    def _reasons(self, faces: pd.DataFrame, files: set[str]) -> list[str]:
        """First reason why each entry is skipped; an empty text for entries that are used."""
        age, score = faces["age"], faces["face_score"]
        faults = faces["box"].map(_fault) if self.boxes else faces["box"]
        rules: list[tuple[Any, Any]] = [
            (~faces["path"].isin(files), f"image not found: entry in {self.part}.mat"),
            (faces["path"].duplicated(), f"second entry of this image in {self.part}.mat"),
            (np.isinf(score), "no face detected"),
            (~(score >= self.min_face_score), f"face score below {self.min_face_score:g}"),
            (faces["second_face_score"].notna() & (self.second_face == "drop"), "second face in the image"),
            (faults.ne(""), faults),
            (age.isna(), "no date of birth or of the image"),
            (age < 0, "image taken before birth"),
            (age > self.max_age, f"age above {self.max_age:g} years"),
        ]
        reasons = pd.Series("", index=faces.index)
        for broken, reason in reversed(rules):
            reasons = reasons.mask(broken, reason)
        return reasons.tolist()


def _box(cell: Any) -> str:
    """A face location as a box: MATLAB counts pixels from 1 and includes the last one."""
    x0, y0, x1, y1 = np.asarray(cell, dtype=float).ravel().tolist()
    return box_text(x0 - 1, y0 - 1, x1, y1)


def _fault(box: str) -> str:
    """Why a box cannot be used; empty if it can."""
    try:
        parse_box(box)
    except ValueError as error:
        return str(error)
    return ""
