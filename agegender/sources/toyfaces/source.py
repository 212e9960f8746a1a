"""Toy faces: a dataset of drawn faces that needs no download and shows no real person."""

import fcntl
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from agegender.errors import AgeGenderError
from agegender.input_paths import InputFolder, MakesMissing
from agegender.sources.faces import FaceTable
from agegender.sources.toyfaces.drawing import VERSION, draw
from agegender.sources.toyfaces.traits import sample
from agegender.sources.utkface import RACES, UTKFace

_OTHERS = RACES.index("Others")


class ToyFaces:
    """Draws faces as JPEG files with UTKFace names, once, and reads them like UTKFace.

    Ages are 0 to 100 years, most below 60; both genders are equally frequent. The drawing is made from the labels, so the
    labels are exact. Skin tone, pose, light and background are independent of age and gender. The race in the file name is
    always `Others`, a placeholder.

    The same arguments give the same files on one machine. Other versions of OpenCV or NumPy may change some pixels.

    Args:
        root: Folder of all sets of toy faces. Each set has a subfolder named after `n`, `size`, `seed` and the version of
            the drawing. None: `$AGEGENDER_CACHE`, else `$XDG_CACHE_HOME/agegender`, else `~/.cache/agegender`.
        n: Number of faces, 1 to 1,000,000.
        size: Width and height in pixels, 32 to 512.
        seed: Random seed. Face i is the same for every `n`.
        name: Name of the dataset in tables and reports.
        draw: Draw the set if `root` lacks it; without `root` it is drawn in any case.

    Raises:
        AgeGenderError: An argument is out of range.
    """

    license = (
        "Toy faces: drawn by a program, of no real person; free for any use. Metrics on toy faces say nothing about real faces."
    )

    def __init__(
        self,
        root: InputFolder | None = None,
        n: int = 4000,
        size: int = 96,
        seed: int = 0,
        name: str = "toyfaces",
        draw: MakesMissing = True,
    ) -> None:
        for key, value, low, high in (("n", n, 1, 10**6), ("size", size, 32, 512), ("seed", seed, 0, 10**8 - 1)):
            if not low <= value <= high:
                raise AgeGenderError(f"data.sources.{name}.{key}={value} must be from {low} to {high}")
        self.n, self.size, self.seed, self.name = n, size, seed, name
        self.draw = draw or root is None
        home = Path(root).expanduser() if root is not None else _cache_folder()
        self.root = home / f"toyfaces-v{VERSION}-n{n}-size{size}-seed{seed}"

    def read(self) -> FaceTable:
        """Draw the faces if their folder does not exist, and parse the file names.

        Raises:
            AgeGenderError: The folder cannot be written, or it has fewer faces than `n`.
        """
        self._draw_once()
        table = UTKFace(str(self.root), name=self.name).read()
        if len(table) != self.n:
            raise AgeGenderError(f"{self.root} has {len(table)} faces, expected {self.n}: delete the folder to draw them again")
        table.notes.append(
            f"{self.n} toy faces drawn with seed {self.seed}: metrics on toy faces say nothing about real faces; "
            "their race, Others, is a placeholder"
        )
        return table

    def _draw_once(self) -> None:
        """Draw into a temporary folder and rename it when complete. Other processes wait for the first one."""
        home, name = self.root.parent, self.root.name
        partial = home / f".{name}.partial"
        try:
            if self.root.is_dir():
                return
            if not self.draw:
                raise AgeGenderError(
                    f"data.root={home}: the toy faces {name} are not there, and a run that is resumed or evaluated draws none. "
                    "Name the folder that holds them"
                )
            home.mkdir(parents=True, exist_ok=True)
            with (home / f".{name}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if self.root.is_dir():
                    return
                shutil.rmtree(partial, ignore_errors=True)  # left by a killed process
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
