"""Image files to RGB pixels, or one short reason why not.

Formats are told by content, never by file extension; an image's size is read from its header before anything is
decoded; a file that ends too early is refused, although OpenCV would fill it up with grey.
"""

import io
import os
import stat
from pathlib import Path

import cv2
import numpy as np
import PIL
from PIL import Image, ImageOps

from agegender.errors import AgeGenderError

MIN_SIDE = 16
MAX_PIXELS = 64_000_000
MAX_BYTES = 256 * 2**20
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")

DECODER = f"1 cv2={cv2.__version__} pillow={PIL.__version__}"
"""Whatever can change the pixels of a decoded file; part of the key of every cache of pixels."""

# JPEG markers (ITU T.81, table B.1): start of frame of every coding process, and those that carry no length.
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9


class ImageError(AgeGenderError):
    """A file that does not hold a usable image; the message is a short reason."""


def read(path: Path) -> np.ndarray:
    """The pixels of an image file.

    Returns:
        RGB, [height, width, 3], uint8, contiguous, upright.

    Raises:
        ImageError: the message names the file and the reason.
    """
    try:
        return decode(read_bytes(path))
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error


def read_bytes(path: Path) -> bytes:
    """The content of a regular file of reasonable size; a pipe or a device is refused instead of waited for.

    Raises:
        ImageError: the file cannot be read, is no regular file, is empty or is too large.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ImageError("not a regular file")
            if status.st_size > MAX_BYTES:
                raise ImageError(f"{status.st_size} bytes are too many for an image (limit {MAX_BYTES})")
            data = file.read()
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = error.strerror if isinstance(error, OSError) else None
        raise ImageError(f"cannot be read: {reason or error}") from error
    if not data:
        raise ImageError("empty file")
    return data


def decode(data: bytes) -> np.ndarray:
    """The pixels of an encoded image.

    Greyscale, CMYK, palette and 16-bit images become 8-bit RGB, transparent ones are laid on white, EXIF rotation is
    applied, and of several frames the first is taken.

    Returns:
        RGB, [height, width, 3], uint8, contiguous, upright.

    Raises:
        ImageError: not an image, too small, too large, truncated or broken.
    """
    if data[:2] == b"\xff\xd8":
        width, height, channels = _jpeg_header(data)
        _check_size(width, height)
        if channels in (1, 3):
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
            if image is None:
                raise ImageError("broken JPEG")
            return image
    return _decode_with_pillow(data)


def _check_size(width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"{width}x{height} pixels are too few for a face (at least {MIN_SIDE} a side)")
    if width * height > MAX_PIXELS:
        raise ImageError(f"{width}x{height} pixels are too many (limit {MAX_PIXELS})")


def _jpeg_header(data: bytes) -> tuple[int, int, int]:
    """Width, height and channels of a complete JPEG.

    Walks over whole segments, so that a thumbnail inside EXIF data cannot pass for the image: neither its size nor
    its end. After the first scan's header an end marker can only be the image's own, since entropy-coded data stuff
    every 0xFF.
    """
    position, frame = 2, None
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            raise ImageError("broken JPEG: no marker where one must be")
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker in _STANDALONE:
            position += 2
            continue
        if marker == _END_OF_IMAGE:
            raise ImageError("broken JPEG: it ends before any pixels")
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        if marker in _START_OF_FRAME and frame is None and position + 10 <= len(data):
            height = int.from_bytes(data[position + 5 : position + 7], "big")
            width = int.from_bytes(data[position + 7 : position + 9], "big")
            frame = width, height, data[position + 9]
        position += 2 + length
        if marker == _START_OF_SCAN:
            if frame is None:
                raise ImageError("broken JPEG: no size before the pixels")
            if data.rfind(b"\xff\xd9", position) < 0:
                break
            return frame
    raise ImageError("truncated JPEG")


def _decode_with_pillow(data: bytes) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(*image.size)
            image.load()
            return _to_rgb(ImageOps.exif_transpose(image))
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"too many pixels (limit {MAX_PIXELS})") from error
    except PIL.UnidentifiedImageError as error:
        raise ImageError(f"not an image of a known format ({', '.join(FORMATS)})") from error
    except Exception as error:  # decoders of hostile bytes raise anything: SyntaxError, struct.error, OSError ...
        raise ImageError(f"broken image: {error or type(error).__name__}") from error


def _to_rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I;16"):  # convert() would clip at 255
        return np.repeat((np.asarray(image) >> 8).astype(np.uint8)[..., None], 3, axis=2)
    if image.mode in ("I", "F"):
        raise ImageError("32-bit pixels have no defined brightness")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"))
