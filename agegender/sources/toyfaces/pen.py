"""A pen that draws shapes in a face's own coordinates onto pixels, with OpenCV."""

from collections.abc import Sequence

import cv2
import numpy as np

Colour = tuple[float, float, float]
"""Red, green and blue, 0 to 255."""

_FRACTION_BITS = 4
_STEPS = np.linspace(0, 1, 9)
_BEZIER = np.stack([(1 - _STEPS) ** 2, 2 * _STEPS * (1 - _STEPS), _STEPS**2], axis=1)
_TURNS = np.linspace(0, 2 * np.pi, 25)
_CIRCLE = np.stack([np.cos(_TURNS), np.sin(_TURNS)], axis=1)


class Pen:
    """Draws in the face's own coordinates; the pose (place, scale, rotation, turn of the head) is chosen and applied here.

    Args:
        canvas: RGB image, uint8 [size, size, 3], drawn on in place.
        skull: height of the head above the line of the eyes, in units of half the face's width.
        chin: the same below it.
        rng: dice for the pose.
    """

    def __init__(self, canvas: np.ndarray, skull: float, chin: float, rng: np.random.Generator):
        self.canvas = canvas
        size = canvas.shape[0]
        self.unit = size * rng.uniform(0.66, 0.8) / (skull + chin)
        angle = rng.normal(0, 0.1)
        scale = self.unit * (1 << _FRACTION_BITS)
        self.cos, self.sin = float(scale * np.cos(angle)), float(scale * np.sin(angle))
        self.left, self.top = (size * rng.uniform((0.45, 0.46), (0.55, 0.56)) * (1 << _FRACTION_BITS)).tolist()
        self.middle = (chin - skull) / 2
        self.turn = float(np.clip(rng.normal(0, 0.12), -0.3, 0.3))

    def place(self, points: np.ndarray) -> np.ndarray:
        """Fixed-point pixels of points [..., 2]; turning moves what is near the nose more than the edge of the face."""
        x, y = points[..., 0], points[..., 1] - self.middle
        x = x + self.turn * np.maximum(1 - x * x, 0)
        pixels = np.empty(points.shape, np.int32)
        pixels[..., 0] = self.cos * x - self.sin * y + self.left
        pixels[..., 1] = self.sin * x + self.cos * y + self.top
        return pixels

    def fill(self, points: np.ndarray, colour: Colour) -> None:
        """Fills the polygon of points [N, 2]."""
        cv2.fillPoly(self.canvas, [self.place(points)], colour, cv2.LINE_AA, _FRACTION_BITS)

    def lines(self, curves: Sequence[np.ndarray], colour: Colour, width: float) -> None:
        """Draws open curves [N, 2], `width` in units of face."""
        placed = [self.place(one) for one in curves]
        cv2.polylines(self.canvas, placed, False, colour, self.pixels(width), cv2.LINE_AA, _FRACTION_BITS)

    def strands(self, curves: np.ndarray, colours: Sequence[Colour]) -> None:
        """Draws curves [S, N, 2], each in its own colour."""
        width = self.pixels(0.03)
        for strand, colour in zip(self.place(curves), colours, strict=True):
            cv2.polylines(self.canvas, [strand], False, colour, width, cv2.LINE_AA, _FRACTION_BITS)

    def pixels(self, width: float) -> int:
        """A width in units of face as whole pixels, at least one."""
        return max(1, round(width * self.unit))

    def soften(self, ovals: list[tuple[float, float, float, float, Colour]]) -> None:
        """Adds blurred ovals (x, y, width, height, what to add) on both sides of the face."""
        quarter = np.zeros((self.canvas.shape[0] // 4, self.canvas.shape[1] // 4, 3), np.float32)
        for x, y, width, height, change in ovals:
            for side in (-1, 1):
                cv2.fillPoly(quarter, [self.place(oval(side * x, y, width, height))], change, shift=_FRACTION_BITS + 2)
        soft = cv2.resize(cv2.blur(quarter, (5, 5)), self.canvas.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        cv2.add(self.canvas, soft, dst=self.canvas, dtype=cv2.CV_8U)


def oval(x: float, y: float, width: float, height: float) -> np.ndarray:
    """The outline of an ellipse around (x, y) with these half-axes, 25 points."""
    return _CIRCLE * (width, height) + (x, y)


def curve(start: tuple[float, float], bend: tuple[float, float], end: tuple[float, float]) -> np.ndarray:
    """A quadratic Bezier curve of nine points."""
    return _BEZIER @ np.array((start, bend, end))


def both(side: np.ndarray) -> list[np.ndarray]:
    """A curve and its mirror image on the other side of the face."""
    return [side, side * (-1, 1)]


def strip(edge: np.ndarray, above: float, below: float) -> np.ndarray:
    """The area between a curve moved up and the same curve moved down."""
    return np.concatenate([edge - (0, above), edge[::-1] - (0, -below)])


def mix(colour: Colour, other: Colour, part: float) -> Colour:
    """The first colour with this part of the second in it."""
    red, green, blue = (a + part * (b - a) for a, b in zip(colour, other, strict=True))
    return red, green, blue


def darker(colour: Colour, part: float) -> Colour:
    """Towards the warm brown of skin in shadow."""
    return mix(colour, (40, 10, 5), part)
