"""Training augmentation of uint8 image batches: five presets, and any transforms of albumentations."""

import os
import random
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from agegender.data.transforms import (
    ContrastAroundMean,
    GaussianBlur,
    Holes,
    HorizontalFlip,
    Light,
    Movement,
    RandomCrop,
    Transform,
    apply_all,
)
from agegender.errors import AgeGenderError

cv2.setNumThreads(0)  # OpenCV's own threads would compete with the loader workers

VERSION = 2  # increase it when the same arguments and seed give other pixels; it is in the key of cached features


class _Preset:
    """Transforms in a fixed order."""

    def __init__(self, *transforms: Transform) -> None:
        self._transforms = transforms

    def __repr__(self) -> str:
        """All that determines the result besides the seed."""
        return f"{VERSION} {self._transforms!r}"

    def __call__(self, images: np.ndarray, seed: int) -> np.ndarray:
        """Augments a batch in place.

        Args:
            images: ``[N, H, W, 3]`` uint8 RGB, overwritten.
            seed: Determines all random choices: the result does not depend on the process or on earlier calls.

        Returns:
            The same array.
        """
        return apply_all(self._transforms, images, seed)


class Standard(_Preset):
    """Horizontal flip, brightness and contrast, Gaussian blur, and cut-out holes; by default the face is not moved.

    Images are already at training size. Hole sizes are pixels at that size; the default of 30 suits 224 x 224 images.
    With a rotation, zoom or translation, every image is warped once after the flip; borders are reflected.

    Args:
        flip: Probability of a horizontal flip.
        brightness: Largest brightness change in either direction, as a fraction of the full range.
        contrast: Largest contrast change in either direction, as a fraction.
        light_probability: Probability that brightness and contrast change.
        blur: Smallest and largest kernel size of the Gaussian blur, odd numbers of pixels.
        blur_probability: Probability of blur.
        holes: Number of black squares that are cut out together (CoarseDropout); 0 disables them.
        hole_size: Side of a black square, pixels.
        holes_probability: Probability that squares are cut out.
        rotation: Largest angle in either direction, degrees in 0..180.
        zoom: Largest zoom in either direction, as a fraction.
        translation: Largest shift in either direction, as a fraction of height and of width.
    """

    def __init__(
        self,
        flip: float = 0.5,
        brightness: float = 0.3,
        contrast: float = 0.3,
        light_probability: float = 0.5,
        blur: Sequence[int] = (3, 7),
        blur_probability: float = 0.2,
        holes: int = 4,
        hole_size: int = 30,
        holes_probability: float = 0.3,
        rotation: float = 0.0,
        zoom: float = 0.0,
        translation: float = 0.0,
    ) -> None:
        _require(flip=flip, light_probability=light_probability, blur_probability=blur_probability)
        _require(holes_probability=holes_probability, brightness=brightness, contrast=contrast)
        _require(zoom=zoom, translation=translation)
        _require_angle(rotation)
        smallest, largest = blur if len(blur) == 2 else (0, 0)
        if not 1 <= smallest <= largest:
            raise AgeGenderError(f"augment.blur={list(blur)}: expected two sizes of at least 1 pixel, the smaller first")
        if holes < 0 or hole_size < 1:
            raise AgeGenderError(f"augment.holes={holes}, augment.hole_size={hole_size}: expected at least 0 and at least 1")
        super().__init__(
            HorizontalFlip(flip),
            *([Movement(1.0, rotation, zoom, translation)] if rotation or zoom or translation else []),
            Light(light_probability, brightness, contrast),
            GaussianBlur(blur_probability, smallest, largest),
            *([Holes(holes_probability, holes, hole_size)] if holes else []),
        )
        self._smallest = hole_size if holes else 1

    def __call__(self, images: np.ndarray, seed: int) -> np.ndarray:
        """Augments a batch in place, as in the base class.

        Raises:
            AgeGenderError: The holes are larger than the images.
        """
        if min(images.shape[1:3]) < self._smallest:
            raise AgeGenderError(f"augment.hole_size={self._smallest} must not be larger than image_size={images.shape[1]}")
        return super().__call__(images, seed)


class Geometric(_Preset):
    """Random flip, rotation, zoom, translation and contrast, equivalent to the Keras layers of the same names.

    All but the flip apply to every image. Rotation, zoom and translation are one affine warp, so pixels are interpolated
    once. Borders are reflected. Contrast scales around the mean of the image.

    Args:
        flip: Probability of a horizontal flip.
        rotation: Largest angle in either direction, degrees in 0..180 (36 is Keras' ``RandomRotation(0.1)``).
        zoom: Largest zoom in either direction, as a fraction.
        translation: Largest shift in either direction, as a fraction of height and of width.
        contrast: Largest contrast change in either direction, as a fraction.
    """

    def __init__(
        self,
        flip: float = 0.5,
        rotation: float = 36.0,
        zoom: float = 0.1,
        translation: float = 0.1,
        contrast: float = 0.1,
    ) -> None:
        _require(flip=flip, zoom=zoom, translation=translation, contrast=contrast)
        _require_angle(rotation)
        super().__init__(HorizontalFlip(flip), Movement(1.0, rotation, zoom, translation), ContrastAroundMean(1.0, contrast))


class ResizedCrop(_Preset):
    """A random square crop, resized to the size of the image, and a random horizontal flip.

    Args:
        area: Smallest and largest area of the crop, as fractions of the area of the image.
        flip: Probability of a horizontal flip.
    """

    def __init__(self, area: Sequence[float] = (0.8, 1.0), flip: float = 0.5) -> None:
        _require(flip=flip)
        smallest, largest = area if len(area) == 2 else (0, 0)
        if not 0 < smallest <= largest <= 1:
            raise AgeGenderError(f"augment.area={list(area)}: expected two fractions above 0 and up to 1, the smaller first")
        super().__init__(RandomCrop(1.0, smallest, largest), HorizontalFlip(flip))


class Flip(_Preset):
    """A random horizontal flip.

    Args:
        probability: Probability of a flip.
    """

    def __init__(self, probability: float = 0.5) -> None:
        _require(probability=probability)
        super().__init__(HorizontalFlip(probability))


class Unchanged:
    """No augmentation."""

    def __call__(self, images: np.ndarray, seed: int) -> np.ndarray:
        """Returns the images unchanged."""
        return images


class Albumentations:
    """Transforms of albumentations, one image at a time.

    The presets are several times faster. The random choices depend on the seed only.

    Args:
        steps: The transforms in order, each as one name of an albumentations class with its arguments, such as
            ``{HorizontalFlip: {p: 0.5}}``. They must keep the size of the images.

    Raises:
        AgeGenderError: There is no such transform, or it rejects an argument or its value.
    """

    def __init__(self, steps: Sequence[Mapping[str, Any]]) -> None:
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # no version check over the network
        import albumentations  # takes seconds, so only when it is used

        transforms = []
        for number, step in enumerate(steps):
            if not isinstance(step, Mapping) or len(step) != 1:
                raise AgeGenderError(f"augment.steps.{number}={step}: expected one name with its arguments")
            [(name, arguments)] = step.items()
            found = getattr(albumentations, name, None)
            if not isinstance(found, type) or not issubclass(found, albumentations.BasicTransform):
                raise AgeGenderError(f"augment.steps.{number}: albumentations has no transform {name}")
            transforms.append((found, arguments or {}))
        try:
            # strict=True: an unknown argument name is an error. By default, albumentations warns and ignores it.
            self._compose = albumentations.Compose([found(**arguments) for found, arguments in transforms], strict=True)
        except (TypeError, ValueError) as error:
            raise AgeGenderError(f"augment: {' '.join(str(error).split())}") from error

    def __repr__(self) -> str:
        """The albumentations version and every step with all its arguments."""
        import albumentations

        return f"albumentations {albumentations.__version__}: {self._compose!r}"

    def __call__(self, images: np.ndarray, seed: int) -> np.ndarray:
        """Augments a batch in place, as the presets do.

        Raises:
            AgeGenderError: A transform changes the size of an image.
        """
        # All transforms share one pair of generators. Compose.set_random_seed would give each transform the same
        # state, so that their random choices would be correlated.
        self._compose.set_random_state(np.random.default_rng(seed), random.Random(seed))
        for row, image in enumerate(images):
            changed = self._compose(image=image)["image"]
            if changed.shape != image.shape:
                raise AgeGenderError(
                    f"augment.steps: an image of shape {image.shape} becomes {changed.shape}, must keep its shape"
                )
            images[row] = changed
        return images


def _require(**fractions: float) -> None:
    """Requires numbers from 0 to 1."""
    for name, value in fractions.items():
        if not 0 <= value <= 1:
            raise AgeGenderError(f"augment.{name}={value}: expected a number from 0 to 1")


def _require_angle(rotation: float) -> None:
    """Requires degrees from 0 to 180."""
    if not 0 <= rotation <= 180:
        raise AgeGenderError(f"augment.rotation={rotation}: expected degrees from 0 to 180")
