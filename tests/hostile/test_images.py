"""Folders of damaged, strange and dangerous files: each is used, or skipped and listed with a reason."""

import csv
import io
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

FLIPPED = 40  # files with a few wrong bytes
GOOD = 40


def picture(seed: int, size: tuple[int, int] = (40, 40)) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 255, (8, 8, 3)).astype(np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def contents() -> Iterator[tuple[str, bytes]]:
    """What each kind of file holds."""
    rng = np.random.default_rng(0)
    jpeg, png = encoded(picture(1)), encoded(picture(2), "PNG")
    for kind, whole in (("jpeg", jpeg), ("png", png)):
        for tenth in range(10):
            yield f"{kind} cut at {tenth}/10", whole[: len(whole) * tenth // 10]
        for number in range(FLIPPED // 2):
            wrong = bytearray(whole)
            for place in rng.integers(0, len(whole), 3):
                wrong[place] = rng.integers(256)
            yield f"{kind} with wrong bytes {number}", bytes(wrong)
        yield f"{kind} with more behind", whole + bytes(1000)
        yield f"{kind} twice", whole + whole
    start = jpeg.index(b"\xff\xc0")
    yield "jpeg of 65500 x 65500", jpeg[: start + 5] + (65500).to_bytes(2, "big") * 2 + jpeg[start + 9 :]
    yield "jpeg of 0 x 0", jpeg[: start + 5] + bytes(4) + jpeg[start + 9 :]
    yield "half a jpeg with an end", jpeg[: len(jpeg) // 2] + b"\xff\xd9"
    yield "png bomb", encoded(Image.new("1", (20_000, 20_000)), "PNG")
    yield "bmp with a wrong size", encoded(picture(3), "BMP")[:18] + (2**31 - 1).to_bytes(4, "little") * 2 + bytes(100)
    for width, height in ((1, 1), (15, 15), (16, 16), (1, 3000), (3000, 16)):
        yield f"{width} x {height}", encoded(picture(4, (width, height)), "PNG")
    for mode in ("L", "CMYK"):
        yield f"jpeg {mode}", encoded(picture(5).convert(mode))
    for mode in ("1", "L", "LA", "P", "RGBA", "I;16"):
        yield f"png {mode}", encoded(picture(6).convert("L" if mode.startswith("I") else "RGB").convert(mode), "PNG")
    yield "tiff of integers", encoded(picture(7).convert("L").convert("I"), "TIFF")
    yield "tiff of floats", encoded(picture(7).convert("F"), "TIFF")
    yield "tiff of pages", encoded(picture(8), "TIFF", save_all=True, append_images=[picture(9)])
    yield "animated gif", encoded(picture(10), "GIF", save_all=True, append_images=[picture(11)])
    yield "animated webp", encoded(picture(12), "WEBP", save_all=True, append_images=[picture(13)])
    for orientation in range(10):
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield f"exif orientation {orientation}", encoded(picture(20 + orientation), exif=exif)
    yield "exif that is noise", jpeg[:2] + b"\xff\xe1\x00\x40Exif\0\0" + rng.bytes(54) + jpeg[2:]
    yield "svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    yield "xml bomb", b"<!DOCTYPE a [<!ENTITY b 'bbbb'><!ENTITY c '&b;&b;&b;'>]><a>&c;</a>"
    yield "postscript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n(x) (w) file\n"
    yield "pickle", b"\x80\x04cos\nsystem\n."
    yield "noise", rng.bytes(5000)
    yield "zeros", bytes(5000)
    yield "an unresolved pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"


def name(number: int, age: int = 30) -> str:
    """A file name as in UTKFace."""
    return f"{age}_{number % 2}_0_{20170101000000000 + number}.jpg.chip.jpg"


def fill(root: Path, good: int) -> int:
    """Writes the files and returns how many of them are not good faces."""
    root.mkdir()
    for number in range(good):
        (root / name(number, 20 + number)).write_bytes(encoded(picture(1000 + number)))
    number = 5000
    for number, (_, content) in enumerate(contents(), 5000):
        (root / name(number)).write_bytes(content)
    outside = root.parent / f"{root.name}-outside.jpg"
    outside.write_bytes(encoded(picture(999)))
    (root / name(6000)).symlink_to(outside)
    (root / name(6001)).symlink_to(root / name(6001))
    (root / name(6002)).symlink_to("nowhere")
    (root / name(6003)).symlink_to("/dev/zero")
    os.mkfifo(root / name(6004))
    (root / name(6005)).mkdir()
    (root / name(6006)).write_bytes(encoded(picture(998)))
    (root / name(6006)).chmod(0)
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(root)  # the path of a socket is short
        listener.bind(name(6007))
        os.chdir(here)
    return number - 5000 + 1 + 8


@pytest.fixture(scope="session")
def good_faces(world: Any) -> Path:
    """A folder of good faces and files of every kind."""
    fill(world.path / "faces", GOOD)
    return world.path / "faces"


def test_the_summary_lists_every_file_that_is_skipped(world: Any, good_faces: Path) -> None:
    listed = world.runs / "skipped.csv"
    result = world("agegender.data", "data=utkface", f"data.root={good_faces}", f"skipped={listed}", "image_size=16")
    result.must_be_decent()
    assert result.status == 0, result.output
    with listed.open(newline="") as file:
        skipped = {row["path"]: row["reason"] for row in csv.DictReader(file)}
    used = int(result.output.split("utkface: ")[1].split(" faces")[0])
    files = [path for path in good_faces.iterdir() if not path.is_dir() or path.is_symlink()]
    assert used + len(skipped) == len(files)
    assert used >= GOOD and all(skipped.values())
    assert not [path for path in skipped if int(path.split("_")[3][:17]) < 20170101000005000]


def test_train_and_compare(world: Any, good_faces: Path) -> None:
    run = world.runs / "trained on these"
    trained = world.train(f"data.root={good_faces}", f"hydra.run.dir='{run}'", data="data=utkface")
    compared = world("agegender.compare", str(run), "--out", str(world.runs / "compared"))
    for result in (trained, compared):
        result.must_be_decent()
        assert result.status == 0, result.output
    assert "skipped: " in trained.output


def test_evaluate_on_these_faces_counts_what_it_skips(world: Any, good_faces: Path, damaged: Callable[[str], Path]) -> None:
    run = damaged("evaluated")
    result = world("agegender.evaluate", f"checkpoint={run}", "data=utkface", f"data.root={good_faces}")
    result.must_be_decent()
    assert (
        result.status == 0 and "skipped: " in result.output and "1 files are symbolic links to files outside" in result.output
    )


def test_a_folder_without_any_good_face(world: Any, damaged: Callable[[str], Path]) -> None:
    root = world.path / "no faces"
    root.mkdir()
    for number in range(20):
        (root / name(number)).write_bytes(bytes(number))
    run = damaged("without")
    for command in (
        ("agegender.data", "data=utkface", f"data.root='{root}'"),
        ("agegender.evaluate", f"checkpoint={run}", "data=utkface", f"data.root='{root}'"),
    ):
        result = world(*command)
        result.must_be_decent(str(root))
        assert result.status == 2, result.output
