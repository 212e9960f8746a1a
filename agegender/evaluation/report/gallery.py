"""Pictures in a page, stored in the page itself."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 96  # pixels of the longer side of a face
QUALITY = 85  # of JPEG


@dataclass(frozen=True)
class Picture:
    """A picture.

    Args:
        text: Shown below it, and read to people who cannot see it.
        pixels: RGB, uint8 [H, W, 3].
    """

    text: str
    pixels: NDArray[np.uint8]

    @property
    def source(self) -> str:
        """The picture as JPEG in a ``data:`` address."""
        _, encoded = cv2.imencode(".jpg", self.pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        return f"data:image/jpeg;base64,{b64encode(encoded.tobytes()).decode()}"


@dataclass(frozen=True)
class Gallery:
    """Some pictures under a title; ``is_wide`` for one picture over the whole width."""

    name: str
    title: str
    pictures: Sequence[Picture]
    is_wide: bool = False


def thumbnail(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A smaller copy of an image, uint8 [H, W, 3], if it is larger than ``SIDE``."""
    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
