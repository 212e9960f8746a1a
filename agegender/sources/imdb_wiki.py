"""IMDB-WIKI (Rothe, Timofte and Van Gool, 2015): 523,051 pictures of known persons, with labels found by a crawler."""

from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
import pandas as pd

from agegender.errors import AgeGenderError
from agegender.input_paths import InputFolder
from agegender.sources.faces import FEMALE, MALE, FaceTable, Skipped
from agegender.sources.listing import IMAGE_SUFFIXES, inside, list_files

FIELDS = ("dob", "photo_taken", "full_path", "gender", "face_score", "second_face_score")
_EPOCH = 719_529  # Matlab's number of 1970-01-01
_LISTED = 5


class ImdbWiki:
    """Reads `imdb.mat` or `wiki.mat` and the faces that it names. Needs scipy.

    The crawler dated a picture by its year and took the face that the detector liked best for the person's, so many labels
    are wrong and some impossible. Set aside, each with its reason: no face found, a doubtful face, a second face, a person
    not yet born or older than `max_age` in the picture. Age is that of the middle of the picture's year, as in the paper.
    Unknown genders stay. All pictures of a person share a part.

    Args:
        root: The folder `imdb_crop` or `wiki_crop`.
        part: Which of the two.
        min_face_score: Of the detector, for the face.
        second_face: `drop` pictures with a second face, which may be the person's, or `keep` them.
        max_age: Years.
        name: Name of the data set in tables and reports.
        missing: What to do about entries whose image the folder lacks: `error`, or `skip` and report.
    """

    license = (
        "IMDB-WIKI: for academic research only, rights with their owners. Ages from dates of birth and pictures, genders from "
        "profiles; both wrong for many pictures that show somebody else."
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
    ) -> None:
        self.root = Path(root).expanduser()
        self.name = name
        self.part = part
        self.min_face_score = min_face_score
        self.second_face = second_face
        self.max_age = max_age
        self.missing = missing

    def read(self) -> FaceTable:
        """Lists the files and reads the metadata; decodes nothing.

        Raises:
            AgeGenderError: scipy is missing, the metadata cannot be read or lack a field, entries name images that are not
                there (unless they may be missing) or lie outside the root, or no face is left.
        """
        files, skipped = list_files(self.root, self.name)
        faces = self._metadata()
        outside = faces["path"].isna()
        if outside.any():
            first = int(np.flatnonzero(outside)[0])
            what = f"{outside.sum()} entries of {self.part}.mat (the first is number {first})"
            raise AgeGenderError(f"{what} name no file inside data.root={self.root}")
        named = set(faces["path"])
        others = [file for file in files if file not in named and file != f"{self.part}.mat"]
        images = [PurePosixPath(file).suffix.lower() in IMAGE_SUFFIXES for file in others]
        skipped += [
            Skipped(f"{self.name}/{file}", f"no entry of {self.part}.mat names it" if image else "not an image file")
            for file, image in zip(others, images, strict=True)
        ]
        notes = self._check_present(faces, set(files))
        reasons = self._reasons(faces, set(files))
        skipped += [
            Skipped(f"{self.name}/{path}", reason) for path, reason in zip(faces["path"], reasons, strict=True) if reason
        ]
        faces = faces[[not reason for reason in reasons]]
        if faces.empty:
            raise AgeGenderError(f"data.root={self.root} holds no usable face ({len(skipped)} files or entries set aside)")
        persons = faces["path"].str.extract(r"([^/_]+)_[^/]*$")[0]  # nm0000001 in 01/nm0000001_rm124825600_1899-5-10_1968.jpg
        group = (f"{self.name}:" + persons).where(persons.notna(), f"{self.name}/" + faces["path"])
        columns = {"path": faces["path"], "age_low": faces["age"], "age_high": faces["age"], "gender": faces["gender"]}
        table = FaceTable.of(self.name, self.root, {**columns, "group": group}, skipped)
        table.notes += notes
        return table

    def _metadata(self) -> pd.DataFrame:
        """Path (NA outside the root), age in years, gender and the two scores of every entry."""
        fields = self._fields()
        dated = np.abs(fields["dob"]) < 1e7  # false for NaN
        birth = (np.floor(np.where(dated, fields["dob"], _EPOCH)) - _EPOCH).astype("int64").astype("datetime64[D]")
        year, month = np.divmod(birth.astype("datetime64[M]").astype("int64"), 12)
        age = fields["photo_taken"] - (1970 + year) - (month >= 6)  # born in July or later: not yet a year older
        return pd.DataFrame(
            {
                "path": [inside(str(path), self.root) for path in fields["full_path"]],
                "age": np.where(dated, age, np.nan),
                "gender": pd.array(pd.Series(fields["gender"]).map({0.0: FEMALE, 1.0: MALE}), dtype="Int8"),
                "face_score": fields["face_score"],
                "second_face_score": fields["second_face_score"],
            }
        )

    def _fields(self) -> dict[str, Any]:
        try:
            from scipy.io import loadmat
        except ImportError as error:
            raise AgeGenderError(
                f"{self.part}.mat is a Matlab file, which needs scipy: pip install scipy, or agegender[imdb_wiki]"
            ) from error
        file = self.root / f"{self.part}.mat"
        if not file.is_file():
            raise AgeGenderError(f"data.root={self.root} has no {self.part}.mat")
        try:  # the reader of Matlab 5 files parses numbers, text, cells and structs, and runs nothing
            record = loadmat(str(file), squeeze_me=False, variable_names=[self.part])[self.part][0, 0]
        except Exception as error:  # bytes of strangers: ValueError, TypeError, KeyError, zlib.error, MatReadError ...
            raise AgeGenderError(f"{file} cannot be read as metadata of IMDB-WIKI: {error or type(error).__name__}") from error
        absent = [field for field in FIELDS if field not in (record.dtype.names or ())]
        if absent:
            raise AgeGenderError(f"{file} has no field {', '.join(absent)}")
        try:
            fields: dict[str, Any] = {name: record[name].ravel().astype(float) for name in FIELDS if name != "full_path"}
            fields["full_path"] = [str(cell.item()) if cell.size else "" for cell in record["full_path"].ravel()]
        except (TypeError, ValueError, AttributeError) as error:
            raise AgeGenderError(f"{file} does not hold metadata of IMDB-WIKI: {error}") from error
        lengths = {name: len(values) for name, values in fields.items()}
        if len(set(lengths.values())) > 1:
            raise AgeGenderError(f"{file}: fields of different lengths: {lengths}")
        return fields

    def _check_present(self, faces: pd.DataFrame, files: set[str]) -> list[str]:
        absent = faces["path"][~faces["path"].isin(files)].tolist()
        if not absent:
            return []
        first = ", ".join(absent[:_LISTED]) + (", ..." if len(absent) > _LISTED else "")
        what = f"{len(absent)} of {len(faces)} entries of {self.part}.mat name an image that {self.root} lacks: {first}"
        if self.missing == "error":
            raise AgeGenderError(f"{what}; data.missing=skip goes on without them")
        return [f"{what} (data.missing=skip)"]

    def _reasons(self, faces: pd.DataFrame, files: set[str]) -> list[str]:
        """Why each entry is set aside, or an empty text; the first reason that applies."""
        age, score = faces["age"], faces["face_score"]
        rules: list[tuple[Any, Any]] = [
            (~faces["path"].isin(files), f"no such image: {self.part}.mat names it"),
            (faces["path"].duplicated(), f"{self.part}.mat names this image twice"),
            (np.isinf(score), "no face was found in it"),
            (~(score >= self.min_face_score), f"doubtful face (score below {self.min_face_score:g})"),
            (faces["second_face_score"].notna() & (self.second_face == "drop"), "a second face is in it"),
            (age.isna(), "no date of birth or of the picture"),
            (age < 0, "taken before birth"),
            (age > self.max_age, f"older than {self.max_age:g} by its dates"),
        ]
        reasons = pd.Series("", index=faces.index)
        for broken, reason in reversed(rules):
            reasons = reasons.mask(broken, reason)
        return reasons.tolist()
