"""Regions of an image: the box of a face, as text and as a parallelogram."""

import hashlib
import math
from typing import NamedTuple, Self

import numpy as np

LARGEST = 1_000_000  # coordinate, pixels


class Region(NamedTuple):
    """A parallelogram in an image, which may reach beyond it; an upright rectangle unless a face is rotated.

    The image reaches from 0 to its width and from 0 to its height.

    Attributes:
        x, y: Its centre in pixels.
        across_x, across_y: From its left to its right edge.
        down_x, down_y: From its top to its bottom edge.
    """

    x: float
    y: float
    across_x: float
    across_y: float
    down_x: float
    down_y: float

    @classmethod
    def of_image(cls, width: int, height: int) -> Self:
        """The whole image."""
        return cls(width / 2, height / 2, width, 0, 0, height)

    @property
    def sides(self) -> tuple[float, float]:
        """Lengths of the top and the left edge, pixels."""
        return math.hypot(self.across_x, self.across_y), math.hypot(self.down_x, self.down_y)

    def scaled(self, across: float, down: float) -> "Region":
        """The region with its edges multiplied by two factors, about its centre."""
        return Region(self.x, self.y, self.across_x * across, self.across_y * across, self.down_x * down, self.down_y * down)

    def corners(self) -> np.ndarray:
        """Top left, top right, bottom right and bottom left corner, [4, 2], pixels."""
        centre, across, down = np.array(self).reshape(3, 2)
        return np.array([centre + (x * across + y * down) / 2 for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))])

    def share_inside(self, width: int, height: int) -> float:
        """Share of the upright rectangle around the region that is inside an image of this size, 0..1."""
        start, stop = self.corners().min(axis=0), self.corners().max(axis=0)
        inside = np.minimum(stop, (width, height)) - np.maximum(start, 0)
        return float(np.prod(np.maximum(inside, 0) / (stop - start)))


def box_text(*numbers: float) -> str:
    """A box as text, as the column `box` of a face table holds it: numbers with at most two decimals, between spaces."""
    return " ".join(f"{round(float(number), 2):.10g}" for number in numbers)


def parse_box(text: str) -> Region:
    """The region of a box.

    A quadrilateral that is not a parallelogram becomes the parallelogram with the same centre and its mean edges.

    Args:
        text: `x0 y0 x1 y1` of an upright rectangle, or the corners of a quadrilateral in the order top left, top right, bottom
            right, bottom left: `x0 y0 x1 y1 x2 y2 x3 y3`. Pixels.

    Raises:
        ValueError: It is no such box. The message is a short reason.
    """
    try:
        numbers = [float(number) for number in text.split()]
    except ValueError as error:
        raise ValueError(f"box is not numbers: {text}") from error
    if len(numbers) not in (4, 8):
        raise ValueError(f"box has {len(numbers)} numbers instead of 4 or 8: {text}")
    if not all(abs(number) <= LARGEST for number in numbers):  # false for NaN
        raise ValueError(f"box has coordinates that are not finite or above {LARGEST} pixels: {text}")
    if len(numbers) == 4:
        x0, y0, x1, y1 = numbers
        if x0 > x1 or y0 > y1:
            raise ValueError(f"box has swapped corners: {text}")
        numbers = [x0, y0, x1, y0, x1, y1, x0, y1]
    corners = np.array(numbers).reshape(4, 2)
    edges = np.roll(corners, -1, axis=0) - corners
    following = np.roll(edges, -1, axis=0)
    turns = edges[:, 0] * following[:, 1] - edges[:, 1] * following[:, 0]
    if not (turns > 0).all():
        raise ValueError(f"{_fault(turns)}: {text}")
    across, down = (edges[0] - edges[2]) / 2, (edges[1] - edges[3]) / 2
    return Region(*corners.mean(axis=0).tolist(), *across.tolist(), *down.tolist())


def _fault(turns: np.ndarray) -> str:
    if (turns < 0).all():
        return "box has swapped corners"
    return "box has no area" if (turns == 0).any() else "box crosses itself or is not convex"


def face_name(file: str, box: str) -> str:
    """Name of a face, as the column `path` of a face table holds it: `FILE#BOX`, or `FILE` for the whole picture."""
    return f"{file}#{box}" if box else file


def split_name(name: str) -> tuple[str, str]:
    """The file and the box of the name of a face; the box is empty for the whole picture."""
    file, _, box = name.rpartition("#")
    try:
        parse_box(box)
    except ValueError:
        return name, ""
    return file, box


def region_sha256(sha256: str, box: str) -> str:
    """SHA-256 of a face, hexadecimal: that of its file, or of that and the box.

    Args:
        sha256: Of the bytes of the file, hexadecimal.
        box: Region of the image; empty for the whole image.
    """
    return hashlib.sha256(f"{sha256} {box}".encode()).hexdigest() if box else sha256
