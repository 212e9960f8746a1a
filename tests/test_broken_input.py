"""Folders with faults: unreadable files are skipped and listed; folders without usable faces are one-line errors."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from agegender.configuration.schema import validate
from agegender.errors import AgeGenderError
from agegender.runs.run_directory import RunDirectory
from agegender.train import train

Configure = Callable[..., dict[str, Any]]


def run(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    validate(config)
    directory = RunDirectory(folder)
    train(config, directory)
    return json.loads(directory.metrics.read_text())


def test_broken_files_are_listed_and_the_rest_trains(
    configure: Configure, make_utkface: Callable[..., Path], tmp_path: Path
) -> None:
    root = make_utkface(tmp_path / "faces", 40)
    name = "30_1_0_2017{:013d}.jpg.chip.jpg".format
    pixels = np.random.default_rng(0).integers(0, 255, (40, 32, 3)).astype(np.uint8)
    jpeg = cv2.imencode(".jpg", pixels)[1].tobytes()
    (root / name(900)).write_bytes(jpeg[: len(jpeg) // 2])
    (root / name(901)).write_text("not an image")
    (root / name(902)).write_bytes(b"")
    (root / name(903)).symlink_to(root / name(903))
    Image.new("L", (1, 1)).save(root / name(904), "JPEG")
    cv2.imwrite(str(root / "bomb.png"), np.zeros((20_000, 20_000), np.uint8))
    (root / "bomb.png").rename(root / name(905))
    (root / name(906)).write_bytes(jpeg[: len(jpeg) // 2] + b"\xff\xd9")  # decodes, with a grey half
    Image.fromarray(pixels[..., 0]).save(root / name(910), "JPEG")  # from here on: readable
    Image.fromarray(pixels).convert("CMYK").save(root / name(911), "JPEG")
    Image.fromarray(pixels[..., 1].astype(np.uint16) * 257).save(root / name(912), "PNG")
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by a quarter
    Image.fromarray(pixels[::-1]).save(root / name(913), "JPEG", exif=exif)

    metrics = run(configure(f"data.root={root}", "trainer.max_epochs=1", "loader.cache=none"), tmp_path / "run")
    split = (tmp_path / "run" / "split.csv").read_text()
    assert split.count("\n") - 1 == 44
    for number in (910, 911, 912, 913):
        assert name(number) in split
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "skipped: 7 files" in log
    for number in range(900, 907):
        assert name(number) not in split and name(number) in log
    assert metrics["train"]["n"] + metrics["val"]["n"] + metrics["test"]["n"] == 44


def test_one_gender_only_is_learnable_and_reported_as_such(
    configure: Configure, make_utkface: Callable[..., Path], tmp_path: Path
) -> None:
    root = make_utkface(tmp_path / "faces", 60)
    for path in root.glob("*_1_*_*.jpg"):
        path.unlink()
    metrics = run(configure(f"data.root={root}", "split.fractions=[0.6,0.2,0.2]"), tmp_path / "run")
    assert metrics["baseline"]["gender_accuracy"] == 1.0
    assert metrics["test"]["gender_recall_female"] is None


@pytest.mark.parametrize(
    ("faces", "message"),
    [(None, r"data\.root"), (0, r"data\.root"), (3, "3 faces in 3 groups")],
)
def test_hopeless_folders_give_one_clear_line(
    faces: int | None, message: str, configure: Configure, make_utkface: Callable[..., Path], tmp_path: Path
) -> None:
    root = tmp_path / "faces"
    if faces is not None:
        make_utkface(root, faces)
    with pytest.raises(AgeGenderError, match=message) as error:
        run(configure(f"data.root={root}"), tmp_path / "run")
    assert len(str(error.value).splitlines()) == 1


def test_a_folder_that_is_a_file(configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "faces").write_text("")
    with pytest.raises(AgeGenderError, match=r"data\.root"):
        run(configure(f"data.root={tmp_path / 'faces'}"), tmp_path / "run")
