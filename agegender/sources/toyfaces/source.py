"""Toy faces: cartoons drawn by this program, so that everything runs without a data set, a network or a person's face."""

import fcntl
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from agegender.errors import AgeGenderError
from agegender.input_paths import InputFolder
from agegender.sources.faces import FaceTable
from agegender.sources.toyfaces.drawing import VERSION, draw
from agegender.sources.toyfaces.traits import sample
from agegender.sources.utkface import RACES, UTKFace

_OTHERS = RACES.index("Others")


class ToyFaces:
    """Draws faces once into a folder of UTKFace-named JPEGs, then reads that folder as UTKFace is read.

    Ages run from 0 to 100, most of them below 60; the genders are equally frequent. Skin tone, pose, light and
    background depend on neither. Nobody was asked or guessed: the labels are what the drawing was made from. The race field,
    which such a name must have, is `Others` in all of them and means nothing.

    The same arguments give the same bytes on one machine (another version of OpenCV or NumPy may draw a pixel otherwise).

    Args:
        root: folder to keep drawn sets in, each in a subfolder named by `n`, `size`, `seed` and the version of the drawing;
            None for `$AGEGENDER_CACHE`, else `$XDG_CACHE_HOME/agegender`, else `~/.cache/agegender`.
        n: number of faces.
        size: width and height in pixels, 32 to 512.
        seed: of everything random. Face i of a seed is the same for every `n`.
        name: name of the data set in tables and reports.

    Raises:
        AgeGenderError: an argument is out of range.
    """

    license = (
        "Toy faces: drawings made by a program, free of any person's likeness, for use without restriction. "
        "Figures on toy faces mean nothing for real faces."
    )

    def __init__(
        self, root: InputFolder | None = None, n: int = 4000, size: int = 96, seed: int = 0, name: str = "toyfaces"
    ) -> None:
        for key, value, low, high in (("n", n, 1, 10**6), ("size", size, 32, 512), ("seed", seed, 0, 10**8 - 1)):
            if not low <= value <= high:
                raise AgeGenderError(f"data.sources.{name}.{key}={value} is not in {low} to {high}")
        self.n, self.size, self.seed, self.name = n, size, seed, name
        home = Path(root).expanduser() if root is not None else _cache_folder()
        self.root = home / f"toyfaces-v{VERSION}-n{n}-size{size}-seed{seed}"

    def read(self) -> FaceTable:
        """Draws the faces unless they are there, and parses their names.

        Raises:
            AgeGenderError: the folder cannot be written, or somebody took faces away.
        """
        self._draw_once()
        table = UTKFace(str(self.root), name=self.name).read()
        if len(table) != self.n:
            raise AgeGenderError(
                f"{self.root} holds {len(table)} faces instead of {self.n}: delete the folder to have them drawn again"
            )
        table.notes.append(
            f"{self.n} toy faces drawn with seed {self.seed}: figures on them mean nothing for real faces, "
            "and their race, Others, is a placeholder"
        )
        return table

    def _draw_once(self) -> None:
        """A killed run leaves nothing under the final name; a second process waits for the first and finds its faces."""
        home, name = self.root.parent, self.root.name
        partial = home / f".{name}.partial"
        try:
            if self.root.is_dir():
                return
            home.mkdir(parents=True, exist_ok=True)
            with (home / f".{name}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if self.root.is_dir():
                    return
                shutil.rmtree(partial, ignore_errors=True)  # what a killed run left
                partial.mkdir()
                try:
                    self._draw_into(partial)
                    partial.rename(self.root)
                finally:
                    shutil.rmtree(partial, ignore_errors=True)
        except OSError as error:
            raise AgeGenderError(
                f"toy faces cannot be written to {self.root}: {error.strerror}. Choose another folder with data.root=FOLDER"
            ) from error

    def _draw_into(self, folder: Path) -> None:
        for index in tqdm(range(self.n), desc="drawing toy faces", unit="face", disable=None):
            rng = np.random.default_rng([self.seed, index])
            age, gender = int(101 * rng.beta(1.1, 1.5)), int(rng.integers(2))
            image = draw(sample(age, gender, rng), self.size, rng)
            quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(75, 96))]
            jpeg = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)[1]
            stamp = f"{self.seed:08d}{index:09d}"
            (folder / f"{age}_{gender}_{_OTHERS}_{stamp}.jpg.chip.jpg").write_bytes(jpeg.tobytes())


def _cache_folder() -> Path:
    if own := os.environ.get("AGEGENDER_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "agegender"
