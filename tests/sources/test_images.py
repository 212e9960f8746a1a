"""Unusual and damaged image files: each gives RGB pixels or an error with a short reason."""

import io
import os
import resource
import struct
import subprocess
import sys
import textwrap
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from agegender.errors import AgeGenderError
from agegender.sources import images
from agegender.sources.images import ImageError, damage, decode, read


def picture(height: int = 40, width: int = 60) -> np.ndarray:
    """A smooth image without symmetry: red increases to the right, green downwards, a blue patch is at the top left."""
    y, x = np.mgrid[:height, :width]
    image = np.stack([x * 255 // (width - 1), y * 255 // (height - 1), np.full_like(x, 40)], axis=2)
    image[: height // 4, : width // 4, 2] = 220
    return image.astype(np.uint8)


def encoded(image: Image.Image, fmt: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, fmt, **options)
    return buffer.getvalue()


def jpeg(**options: object) -> bytes:
    return encoded(Image.fromarray(picture()), "JPEG", quality=95, subsampling=0, **options)


def close(ours: np.ndarray, reference: np.ndarray, tolerance: float = 4.0) -> bool:
    assert ours.dtype == np.uint8 and ours.flags.c_contiguous
    return ours.shape == reference.shape and np.abs(ours.astype(int) - reference.astype(int)).mean() < tolerance


@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_the_format_is_detected_from_the_content(tmp_path: Path, fmt: str) -> None:
    path = tmp_path / "face.jpg"
    path.write_bytes(encoded(Image.fromarray(picture()), fmt))
    assert close(read(path), picture(), tolerance=12)


def test_progressive_jpeg_is_decoded() -> None:
    assert close(decode(jpeg(progressive=True)), picture())


def test_greyscale_jpeg_has_three_equal_channels() -> None:
    grey = Image.fromarray(picture()).convert("L")
    image = decode(encoded(grey, "JPEG", quality=95))
    assert close(image, np.repeat(np.asarray(grey)[..., None], 3, axis=2))
    assert (image[..., 0] == image[..., 2]).all()


def test_cmyk_jpeg_has_the_right_colours() -> None:
    assert close(decode(encoded(Image.fromarray(picture()).convert("CMYK"), "JPEG", quality=95)), picture())


def test_16_bit_png_keeps_its_brightness() -> None:
    wide = picture().astype(np.uint16) * 257
    grey = cv2.imencode(".png", wide[..., 0])[1].tobytes()
    assert close(decode(grey), np.repeat(picture()[..., :1], 3, axis=2), tolerance=1)
    colour = cv2.imencode(".png", wide[..., ::-1])[1].tobytes()
    assert close(decode(colour), picture(), tolerance=1)


def test_transparent_images_get_a_white_background() -> None:
    alpha = np.full(picture().shape[:2], 255, np.uint8)
    alpha[20:] = 0
    image = decode(encoded(Image.fromarray(np.dstack([picture(), alpha])), "PNG"))
    assert (image[:20] == picture()[:20]).all()
    assert (image[20:] == 255).all()


def test_palette_and_bilevel_png_are_decoded() -> None:
    palette = Image.fromarray(picture()).quantize(64)
    assert (decode(encoded(palette, "PNG")) == np.asarray(palette.convert("RGB"))).all()
    assert set(np.unique(decode(encoded(Image.fromarray(picture()).convert("1"), "PNG")))) == {0, 255}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("fmt", ["JPEG", "PNG"])
def test_exif_orientation_is_applied(orientation: int, fmt: str) -> None:
    turns = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, 1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(picture()), fmt, exif=exif, **({"quality": 95} if fmt == "JPEG" else {}))
    assert close(decode(data), turns[orientation](picture()))


def test_every_truncation_of_a_jpeg_is_an_error() -> None:
    for data in (jpeg(), jpeg(progressive=True)):
        decode(data)
        for cut in range(1, len(data)):
            with pytest.raises(ImageError, match=r"truncated|damaged|not an image"):
                decode(data[:cut])


@pytest.mark.parametrize("fmt", ["PNG", "WEBP", "BMP"])
def test_a_truncated_file_never_gives_wrong_pixels(fmt: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), fmt)
    whole, errors = decode(data), 0
    for cut in range(1, len(data), 3):
        try:
            assert (decode(data[:cut]) == whole).all()  # only checksums and end marks are missing
        except ImageError:
            errors += 1
    assert errors > 0.9 * len(data) / 3


def with_thumbnail() -> bytes:
    thumbnail = encoded(Image.fromarray(picture(20, 30)), "JPEG")
    header = struct.pack(">2sHIHHHIIHHIIII", b"MM", 42, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)[:8]
    first = struct.pack(">HI", 0, 14)
    second = struct.pack(">HHHIIHHIII", 2, 0x0201, 4, 1, 44, 0x0202, 4, 1, len(thumbnail), 0)
    payload = b"Exif\0\0" + header + first + second + thumbnail
    return jpeg()[:2] + b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload + jpeg()[2:]


def test_an_exif_thumbnail_is_ignored() -> None:
    data = with_thumbnail()
    assert data.count(b"\xff\xd9") >= 2
    assert close(decode(data), picture())
    body = len(data) - len(jpeg())
    for cut in range(body + 10, len(data), 5):
        with pytest.raises(ImageError, match="truncated"):
            decode(data[:cut])


def test_bytes_after_the_end_are_ignored() -> None:
    assert close(decode(jpeg() + b"\0" * 100 + b"trailer"), picture())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"this is a text file\n" * 10, "not an image"),
        (b"\xff\xd8", "truncated"),
        (b"\xff\xd8\xff\xd9", "truncated"),
        (b"\xff\xd8\xff\xd9" + bytes(20), "no pixel data"),
        (b"\xff\xd8hello world", "damaged"),
        (b"\x89PNG\r\n\x1a\n", "not an image|damaged"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
    ],
)
def test_other_files_are_errors(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError, match=reason):
        decode(data)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (15, 100), (100, 15)])
def test_images_below_the_minimum_size_are_errors(height: int, width: int) -> None:
    for fmt in ("JPEG", "PNG"):
        with pytest.raises(ImageError, match=f"image too small: {width}x{height} pixels"):
            decode(encoded(Image.new("RGB", (width, height)), fmt))
    assert decode(encoded(Image.new("RGB", (16, 16)), "JPEG")).shape == (16, 16, 3)


def bomb(side: int) -> bytes:
    """A PNG of zeros: a small file with side * side * 3 bytes of pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + side * 3)) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_decompression_bomb_is_detected_in_the_header(tmp_path: Path) -> None:
    whole = bomb(2000)
    side = struct.pack(">II", 20_000, 20_000)
    head = whole[12:16] + side + whole[24:29]
    png = whole[:12] + head + struct.pack(">I", zlib.crc32(head)) + whole[33:]
    frame = jpeg().index(b"\xff\xc0")
    large = struct.pack(">HH", 20_000, 20_000)
    jpg = jpeg()[: frame + 5] + large + jpeg()[frame + 9 :]
    middling = whole[:12] + (m := whole[12:16] + struct.pack(">II", 10_000, 10_000) + whole[24:29])
    middling += struct.pack(">I", zlib.crc32(m)) + whole[33:]
    for name, data in (("a.png", png), ("b.jpg", jpg), ("c.png", middling)):
        (tmp_path / name).write_bytes(data)
    code = """
        import resource, sys
        from pathlib import Path
        from agegender.sources.images import ImageError, read
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for name in sorted(Path(sys.argv[1]).iterdir()):
            try:
                read(name)
            except ImageError as error:
                assert "too large" in str(error), error
            else:
                raise SystemExit(f"{name} was decoded")
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert int(run.stdout) < 50_000  # kilobytes; decoding would take 1.2 gigabytes


def test_the_message_has_the_file_name(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jpg"
    empty.touch()
    with pytest.raises(AgeGenderError, match=r"empty\.jpg: empty file"):
        read(empty)


def test_folders_broken_links_and_invalid_names_are_errors(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "broken.jpg").symlink_to("nowhere.jpg")
    for name, reason in [
        ("folder.jpg", "directory|regular"),
        ("loop.jpg", "cannot be read: .*symbolic links"),
        ("broken.jpg", "No such file"),
        ("nul\0.jpg", "cannot be read"),
    ]:
        with pytest.raises(ImageError, match=reason):
            read(tmp_path / name)


def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    code = "import sys; from pathlib import Path; from agegender.sources.images import read; read(Path(sys.argv[1]))"
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path / "pipe.jpg")], capture_output=True, text=True, timeout=60)
    assert "not a regular file" in run.stderr


def test_a_file_without_read_permission_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "secret.jpg"
    path.write_bytes(jpeg())
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read every file")
    with pytest.raises(ImageError, match="cannot be read: Permission denied"):
        read(path)


def test_a_very_large_file_is_not_loaded(tmp_path: Path) -> None:
    with open(tmp_path / "sparse.jpg", "wb") as file:
        file.truncate(images.MAX_BYTES + 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ImageError, match="file too large"):
        read(tmp_path / "sparse.jpg")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_damage_that_a_decoder_hides_is_found(progressive: bool, subsampling: int) -> None:
    data = encoded(Image.fromarray(picture()), "JPEG", quality=95, progressive=progressive, subsampling=subsampling)
    assert damage(data) is None
    whole, found = decode(data), []
    for cut in np.linspace(len(data) // 2, len(data) - 3, 40).astype(int):
        noise = np.random.default_rng(cut).integers(0, 255, len(data) - cut, dtype=np.uint8)  # 255 would start a marker
        for end in (b"", noise.tobytes()):
            broken = data[:cut] + end + b"\xff\xd9"
            try:
                image = decode(broken)
            except ImageError:
                continue
            if not close(image, whole, tolerance=2):
                found.append((damage(broken) or "").startswith("damaged JPEG: "))
    assert len(found) > 10
    assert np.mean(found) > (0.75 if progressive else 0.95)  # the end of a scan of a progressive file looks complete


def test_bytes_behind_the_image_and_other_formats_are_no_damage() -> None:
    assert damage(jpeg() + b"trailer") is None
    assert damage(encoded(Image.fromarray(picture()), "PNG")) is None
    assert damage(encoded(Image.fromarray(picture()).convert("CMYK"), "JPEG")) is None
