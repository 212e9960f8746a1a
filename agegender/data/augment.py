"""Training augmentation of uint8 image batches with albumentations: five presets."""

import os
import random
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from agegender.errors import AgeGenderError

cv2.setNumThreads(0)  # OpenCV's own threads would compete with the loader workers


class _Pipeline:
    """An albumentations pipeline that is reseeded for every batch.

    Args:
        steps: Name of each albumentations class with its arguments, in order of application.

    Raises:
        AgeGenderError: albumentations rejects an argument or its value.
    """

    def __init__(self, steps: Sequence[tuple[str, dict[str, Any]]]) -> None:
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # no version check over the network
        import albumentations  # takes seconds, so only when images are augmented

        try:
            # strict=True: an unknown argument name is an error. By default, albumentations warns and ignores it.
            self._compose = albumentations.Compose(
                [getattr(albumentations, name)(**arguments) for name, arguments in steps], strict=True
            )
        except ValueError as error:
            raise AgeGenderError(f"augment: {' '.join(str(error).split())}") from error

    def __repr__(self) -> str:
        """The albumentations version and every step with all its arguments."""
        import albumentations

        return f"albumentations {albumentations.__version__}: {self._compose!r}"

    def __call__(self, images: np.ndarray, seed: int) -> np.ndarray:
        """Augments a batch in place.

        Args:
            images: ``[N, H, W, 3]`` uint8 RGB, overwritten.
            seed: Determines all random choices: the result does not depend on the process or on earlier calls.

        Returns:
            The same array.
        """
        # All transforms share one pair of generators. Compose.set_random_seed would give each transform the same
        # state, so that their random choices would be correlated.
        self._compose.set_random_state(np.random.default_rng(seed), random.Random(seed))
        for row, image in enumerate(images):
            images[row] = self._compose(image=image)["image"]
        return images


class Standard(_Pipeline):
    """Horizontal flip, brightness and contrast, Gaussian blur, and cut-out holes; the face is not moved.

    Images are already at training size. Hole sizes are pixels at that size; the default of 30 suits 224 x 224 images.

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
    ) -> None:
        size = (hole_size, hole_size)
        dropout = {"num_holes_range": (holes, holes), "hole_height_range": size, "hole_width_range": size}
        steps: list[tuple[str, dict[str, Any]]] = [
            ("HorizontalFlip", {"p": flip}),
            (
                "RandomBrightnessContrast",
                {"brightness_limit": brightness, "contrast_limit": contrast, "p": light_probability},
            ),
            ("GaussianBlur", {"blur_limit": tuple(blur), "p": blur_probability}),
        ]
        super().__init__(steps + ([("CoarseDropout", {**dropout, "p": holes_probability})] if holes else []))
        self._smallest = hole_size if holes else 1

    def __call__(self, images: np.ndarray, seed: int) -> np.ndarray:
        """Augments a batch in place, as in the base class.

        Raises:
            AgeGenderError: The holes are larger than the images.
        """
        if min(images.shape[1:3]) < self._smallest:
            raise AgeGenderError(f"augment.hole_size={self._smallest} must not be larger than image_size={images.shape[1]}")
        return super().__call__(images, seed)


class Geometric(_Pipeline):
    """Random flip, rotation, zoom, translation and contrast, equivalent to the Keras layers of the same names.

    All but the flip apply to every image. Rotation, zoom and translation are one affine warp, so pixels are interpolated
    once. Borders are reflected. Contrast scales around the mean of the image.

    Args:
        flip: Probability of a horizontal flip.
        rotation: Largest angle in either direction, degrees (36 is Keras' ``RandomRotation(0.1)``).
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
        movement = {
            "rotate": (-rotation, rotation),
            "scale": (1 - zoom, 1 + zoom),
            "keep_ratio": True,
            "translate_percent": {"x": (-translation, translation), "y": (-translation, translation)},
            "border_mode": cv2.BORDER_REFLECT,
            "p": 1.0,
        }
        # RandomBrightnessContrast scales around black, which would also change the brightness.
        around_mean = {"brightness": (1, 1), "contrast": (1 - contrast, 1 + contrast), "saturation": (1, 1)}
        super().__init__(
            [
                ("HorizontalFlip", {"p": flip}),
                ("Affine", movement),
                ("ColorJitter", {**around_mean, "hue": (0, 0), "p": 1.0}),
            ]
        )


class ResizedCrop(_Pipeline):
    """A random square crop, resized to the size of the image, and a random horizontal flip.

    Args:
        image_size: Side of the images, pixels.
        area: Smallest and largest area of the crop, as fractions of the area of the image.
        flip: Probability of a horizontal flip.
    """

    def __init__(self, image_size: int, area: Sequence[float] = (0.8, 1.0), flip: float = 0.5) -> None:
        crop = {"size": (image_size, image_size), "scale": tuple(area), "ratio": (1.0, 1.0), "p": 1.0}
        super().__init__([("RandomResizedCrop", crop), ("HorizontalFlip", {"p": flip})])


class Flip(_Pipeline):
    """A random horizontal flip.

    Args:
        probability: Probability of a flip.
    """

    def __init__(self, probability: float = 0.5) -> None:
        super().__init__([("HorizontalFlip", {"p": probability})])


class Unchanged:
    """No augmentation."""

    def __call__(self, images: np.ndarray, seed: int) -> np.ndarray:
        """Returns the images unchanged."""
        return images
