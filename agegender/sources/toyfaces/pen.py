"""Draws shapes given in face coordinates onto an image with OpenCV."""

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
    """Draws shapes in face coordinates, with a random pose: position, scale, rotation and turn of the head.

    Face coordinates have their unit at half the width of the face. The eyes are at y = 0, and y points down.

    Args:
        canvas: RGB image, uint8 [size, size, 3]; changed in place.
        skull: Height of the head above the eyes, in face units.
        chin: Height of the face below the eyes, in face units.
        rng: Random generator of the pose.
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
        """Convert points [..., 2] to pixels in fixed-point integers.

        The turn of the head moves the nose more than the edge of the face.
        """
        x, y = points[..., 0], points[..., 1] - self.middle
        x = x + self.turn * np.maximum(1 - x * x, 0)
        pixels = np.empty(points.shape, np.int32)
        pixels[..., 0] = self.cos * x - self.sin * y + self.left
        pixels[..., 1] = self.sin * x + self.cos * y + self.top
        return pixels

    def fill(self, points: np.ndarray, colour: Colour) -> None:
        """Fill the polygon with the corners [N, 2]."""
        cv2.fillPoly(self.canvas, [self.place(points)], colour, cv2.LINE_AA, _FRACTION_BITS)

    def lines(self, curves: Sequence[np.ndarray], colour: Colour, width: float) -> None:
        """Draw open curves [N, 2]; `width` is in face units."""
        placed = [self.place(one) for one in curves]
        cv2.polylines(self.canvas, placed, False, colour, self.pixels(width), cv2.LINE_AA, _FRACTION_BITS)

    def strands(self, curves: np.ndarray, colours: Sequence[Colour]) -> None:
        """Draw curves [S, N, 2], each with its own colour."""
        width = self.pixels(0.03)
        for strand, colour in zip(self.place(curves), colours, strict=True):
            cv2.polylines(self.canvas, [strand], False, colour, width, cv2.LINE_AA, _FRACTION_BITS)

    def pixels(self, width: float) -> int:
        """Convert a width in face units to whole pixels, at least 1."""
        return max(1, round(width * self.unit))

    def soften(self, ovals: list[tuple[float, float, float, float, Colour]]) -> None:
        """Add blurred ovals (x, y, width, height, colour to add) on both sides of the face."""
        quarter = np.zeros((self.canvas.shape[0] // 4, self.canvas.shape[1] // 4, 3), np.float32)
        for x, y, width, height, change in ovals:
            for side in (-1, 1):
                cv2.fillPoly(quarter, [self.place(oval(side * x, y, width, height))], change, shift=_FRACTION_BITS + 2)
        soft = cv2.resize(cv2.blur(quarter, (5, 5)), self.canvas.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        cv2.add(self.canvas, soft, dst=self.canvas, dtype=cv2.CV_8U)


def oval(x: float, y: float, width: float, height: float) -> np.ndarray:
    """Outline of an ellipse around (x, y) with half-axes `width` and `height`, 25 points."""
    return _CIRCLE * (width, height) + (x, y)


def curve(start: tuple[float, float], bend: tuple[float, float], end: tuple[float, float]) -> np.ndarray:
    """Quadratic Bezier curve, 9 points."""
    return _BEZIER @ np.array((start, bend, end))


def both(side: np.ndarray) -> list[np.ndarray]:
    """Return a curve and its mirror image on the other side of the face."""
    return [side, side * (-1, 1)]


def strip(edge: np.ndarray, above: float, below: float) -> np.ndarray:
    """Area between the curve moved up by `above` and the curve moved down by `below`."""
    return np.concatenate([edge - (0, above), edge[::-1] - (0, -below)])


def mix(colour: Colour, other: Colour, share: float) -> Colour:
    """Interpolate from the first colour (share 0) to the second (share 1)."""
    red, green, blue = (a + share * (b - a) for a, b in zip(colour, other, strict=True))
    return red, green, blue


def darker(colour: Colour, share: float) -> Colour:
    """Mix a colour with the dark brown of shaded skin."""
    return mix(colour, (40, 10, 5), share)
