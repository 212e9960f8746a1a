"""Decodes image files to RGB pixels, or raises an error with a short reason.

The format is detected from the content, not from the file extension. The image size is read from the header and checked
before decoding. Truncated files are an error (OpenCV would fill the missing pixels with grey).
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import PIL
from PIL import Image, ImageOps

from agegender.errors import AgeGenderError
from agegender.regular_files import open_bytes

MIN_SIDE = 16
MAX_PIXELS = 64_000_000
MAX_BYTES = 256 * 2**20
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")

CAN_FIND_DAMAGE = find_spec("simplejpeg") is not None

DECODER = f"1 cv2={cv2.__version__} pillow={PIL.__version__}"
"""Versions that can change the pixels of a decoded file. They are in the key of every pixel cache."""

# JPEG markers (ITU T.81, table B.1): start of frame of all coding processes, and markers without a length field.
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9


class ImageError(AgeGenderError):
    """A file is not a usable image. The message is a short reason."""


def read(path: Path, strict: bool = False) -> np.ndarray:
    """Read and decode an image file.

    Args:
        path: The file.
        strict: See `decode`.

    Returns:
        RGB, [height, width, 3], uint8, contiguous, with the EXIF rotation applied.

    Raises:
        ImageError: The file is not a usable image. The message names the file and the reason.
    """
    try:
        return decode(read_bytes(path), strict)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error


def read_bytes(path: Path) -> bytes:
    """Read a regular file of limited size.

    Raises:
        ImageError: The file cannot be read, is not a regular file, is empty or is larger than `MAX_BYTES`.
    """
    try:
        with open_bytes(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_BYTES:
                raise ImageError(f"file too large: {size} bytes (limit {MAX_BYTES})")
            data = file.read()
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror or error}") from error
    if not data:
        raise ImageError("empty file")
    return data


def decode(data: bytes, strict: bool = False) -> np.ndarray:
    """Decode the bytes of an image file.

    Greyscale, CMYK, palette and 16-bit images are converted to 8-bit RGB. Transparent images get a white background. The
    first frame of an animation is used.

    Args:
        data: The content of the file.
        strict: Refuse a JPEG with the damage that `damage` finds. Where simplejpeg is not installed, as with the light packages
            for prediction, it is not looked for.

    Returns:
        RGB, [height, width, 3], uint8, contiguous, with the EXIF rotation applied.

    Raises:
        ImageError: The bytes are not an image, or the image is too small, too large, truncated or damaged.
    """
    if strict and CAN_FIND_DAMAGE and (reason := damage(data)):
        raise ImageError(reason)
    if data[:2] == b"\xff\xd8" and _jpeg_channels(data) in (1, 3):
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
        if image is None:
            raise ImageError("damaged JPEG")
        return image
    return _decode_with_pillow(data)


def damage(data: bytes) -> str | None:
    """Find damage that a decoder hides: it fills missing pixels with grey, or continues behind corrupt ones.

    Only a JPEG file can be damaged and still decode: decoders of the other formats raise an error. The file is decoded to
    grey pixels at an eighth of its size, which takes 0.4 times as long as `decode`.

    Returns:
        The reason, or None for a file without damage and for other formats.

    Raises:
        ImageError: It is a JPEG file that does not decode, because its header is damaged, its end is missing, or its image
            is too small or too large.
    """
    if data[:2] != b"\xff\xd8":
        return None
    _jpeg_channels(data)
    from simplejpeg import decode_jpeg

    try:
        decode_jpeg(data, "GRAY", min_height=1, min_width=1, min_factor=8, strict=True)
    except ValueError as error:
        return f"damaged JPEG: {str(error).removeprefix('Corrupt JPEG data: ')}"
    return None


def _jpeg_channels(data: bytes) -> int:
    """Number of channels of a JPEG, after a check of its size and of its end."""
    width, height, channels = _jpeg_header(data)
    check_size(width, height)
    return channels


def check_size(width: int, height: int) -> None:
    """Check the sides of an image, in pixels.

    Raises:
        ImageError: It is too small or too large.
    """
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"image too small: {width}x{height} pixels (minimum {MIN_SIDE}x{MIN_SIDE})")
    if width * height > MAX_PIXELS:
        raise ImageError(f"image too large: {width}x{height} pixels (limit {MAX_PIXELS})")


def _jpeg_header(data: bytes) -> tuple[int, int, int]:
    """Width, height and number of channels of a JPEG; raises an error if its end is missing.

    The function moves from segment to segment, so it ignores the size and the end marker of a thumbnail inside the EXIF
    segment. After the header of the first scan an end marker belongs to the image itself, because entropy-coded data
    escapes the byte 0xFF.
    """
    position, frame = 2, None
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            raise ImageError("damaged JPEG: marker expected")
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker in _STANDALONE:
            position += 2
            continue
        if marker == _END_OF_IMAGE:
            raise ImageError("damaged JPEG: no pixel data")
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        if marker in _START_OF_FRAME and frame is None and position + 10 <= len(data):
            height = int.from_bytes(data[position + 5 : position + 7], "big")
            width = int.from_bytes(data[position + 7 : position + 9], "big")
            frame = width, height, data[position + 9]
        position += 2 + length
        if marker == _START_OF_SCAN:
            if frame is None:
                raise ImageError("damaged JPEG: no image size before the pixel data")
            if data.rfind(b"\xff\xd9", position) < 0:
                break
            return frame
    raise ImageError("truncated JPEG")


def _decode_with_pillow(data: bytes) -> np.ndarray:
    with _errors_named(), Image.open(io.BytesIO(data), formats=FORMATS) as image:
        return from_pillow(image)


def from_pillow(image: Image.Image) -> np.ndarray:
    """Convert an image of Pillow as `decode` does; it may still have to be read from its file.

    Returns:
        RGB, [height, width, 3], uint8, contiguous, with the EXIF rotation applied.

    Raises:
        ImageError: It is too small, too large, truncated or damaged.
    """
    check_size(*image.size)
    with _errors_named():
        image.load()
        return to_rgb(ImageOps.exif_transpose(image))


@contextmanager
def _errors_named() -> Iterator[None]:
    """Gives the reason in place of the many errors of Pillow."""
    try:
        yield
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"image too large (limit {MAX_PIXELS} pixels)") from error
    except PIL.UnidentifiedImageError as error:
        raise ImageError(f"not an image of a supported format ({', '.join(FORMATS)})") from error
    except Exception as error:  # damaged data can raise any type: SyntaxError, struct.error, OSError ...
        raise ImageError(f"damaged image: {error or type(error).__name__}") from error


def to_rgb(image: Image.Image) -> np.ndarray:
    """Convert an image of Pillow to 8-bit RGB, [height, width, 3], as `decode` does.

    Raises:
        ImageError: Its pixels have 32 bits.
    """
    if image.mode.startswith("I;16"):  # convert() would clip values above 255
        return np.repeat((np.asarray(image) >> 8).astype(np.uint8)[..., None], 3, axis=2)
    if image.mode in ("I", "F"):
        raise ImageError("32-bit pixels are not supported: their value range is undefined")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"))
