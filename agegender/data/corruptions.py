"""Graded changes of face images, to test how much a model suffers from each of them.

The kinds follow ImageNet-C (Hendrycks and Dietterich, ICLR 2019), with what happens to faces: occlusion, rotation, and a crop
that is tighter or looser than that of training. Shapes of occlusion are where a mask, sunglasses or a hat are on aligned crops.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

Image = np.ndarray  # uint8 RGB [S, S, 3]

# Polygons on an aligned crop, as shares of its side: (x, y).
SHAPES = {
    "mask": [(0.20, 0.58), (0.50, 0.50), (0.80, 0.58), (0.78, 0.80), (0.50, 0.98), (0.22, 0.80)],
    "sunglasses": [(0.14, 0.34), (0.86, 0.34), (0.84, 0.50), (0.60, 0.52), (0.50, 0.42), (0.40, 0.52), (0.16, 0.50)],
    "hat": [(0.0, 0.0), (1.0, 0.0), (1.0, 0.22), (0.80, 0.28), (0.20, 0.28), (0.0, 0.22)],
}


@dataclass(frozen=True)
class Corruption:
    """One kind of change.

    Args:
        title: In tables and plots.
        unit: What the levels mean.
        levels: From weak to strong; names for shapes.
        change: Maps an image and a level to the changed image.
        artificial: The change invents pixels that no camera would record, so its results are only a hint.
    """

    title: str
    unit: str
    levels: tuple[Any, ...]
    change: Callable[[Image, Any], Image]
    artificial: bool = False


@dataclass(frozen=True)
class Corrupted:
    """Changes every image of a batch in one way, as an augmentation of ``FaceDataModule.batches``.

    The result depends on each image alone, not on the batch, the seed or the number of workers.
    """

    kind: str
    level: Any

    def __call__(self, images: np.ndarray, seed: int) -> np.ndarray:
        """Returns changed images uint8 [B, S, S, 3]."""
        change = CORRUPTIONS[self.kind].change
        return np.stack([change(image, self.level) for image in images]) if len(images) else images


def blur(image: Image, percent: float) -> Image:
    """Gaussian blur with a standard deviation in percent of the side."""
    return cv2.GaussianBlur(image, (0, 0), percent / 100 * image.shape[0], borderType=cv2.BORDER_REFLECT_101)


def noise(image: Image, deviation: float) -> Image:
    """Gaussian noise; the image seeds it."""
    random = np.random.default_rng(zlib.crc32(image.tobytes()))
    return _clipped(image + random.normal(0, deviation, image.shape))


def jpeg(image: Image, quality: int) -> Image:
    """Encodes as JPEG and decodes."""
    _, encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR))
    return np.ascontiguousarray(decoded[..., ::-1])


def brightness(image: Image, factor: float) -> Image:
    """Multiplies all pixels; bright ones saturate."""
    return _clipped(image * factor)


def resolution(image: Image, pixels: int) -> Image:
    """Shrinks to a side of so many pixels and enlarges again; a smaller image stays as it is."""
    side = image.shape[0]
    if pixels >= side:
        return image.copy()
    return cv2.resize(cv2.resize(image, (pixels, pixels), interpolation=cv2.INTER_AREA), (side, side))


def occlusion(image: Image, shape: str) -> Image:
    """Covers a shape with dark grey."""
    corners = np.round(np.array(SHAPES[shape]) * (image.shape[0] - 1)).astype(np.int32)
    return cv2.fillPoly(image.copy(), [corners], (40, 40, 40))


def rotation(image: Image, degrees: float) -> Image:
    """Rotates about the centre; reflected pixels fill the corners."""
    middle = (image.shape[0] - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), degrees, 1)
    return cv2.warpAffine(image, matrix, image.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)


def crop(image: Image, share: float) -> Image:
    """Cuts out the centre with a share of the side, or for a share above 1 pads by reflection; then resizes to the old size."""
    side = image.shape[0]
    change = round(abs(share - 1) / 2 * side)
    if share < 1:
        framed = image[change : side - change, change : side - change]
    else:
        framed = cv2.copyMakeBorder(image, change, change, change, change, cv2.BORDER_REFLECT_101)
    return cv2.resize(framed, (side, side), interpolation=cv2.INTER_AREA if share > 1 else cv2.INTER_LINEAR)


def grey(image: Image, _: Any) -> Image:
    """Removes the colours."""
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def flip(image: Image, _: Any) -> Image:
    """Mirrors the image."""
    return np.ascontiguousarray(image[:, ::-1])


def _clipped(values: np.ndarray) -> Image:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


CORRUPTIONS = {
    "blur": Corruption("blur", "standard deviation, percent of the side", (1, 2, 4, 8), blur),
    "noise": Corruption("noise", "standard deviation, of 255", (5, 10, 20, 40), noise),
    "jpeg": Corruption("JPEG", "quality", (50, 25, 10, 5), jpeg),
    "darker": Corruption("darker", "factor", (0.75, 0.5, 0.25), brightness),
    "brighter": Corruption("brighter", "factor", (1.25, 1.5, 2), brightness),
    "resolution": Corruption("low resolution", "pixels of the side", (64, 48, 32, 16), resolution),
    "occlusion": Corruption("occlusion", "shape", tuple(SHAPES), occlusion, artificial=True),
    "rotation": Corruption("rotation", "degrees", (5, 10, 20, 40), rotation),
    "tighter": Corruption("tighter crop", "share of the side", (0.9, 0.8, 0.7), crop),
    "looser": Corruption("looser crop, padded by reflection", "share of the side", (1.1, 1.25, 1.5), crop, artificial=True),
    "grey": Corruption("grey", "", ("grey",), grey),
    "flip": Corruption("mirrored", "", ("mirrored",), flip),
}
