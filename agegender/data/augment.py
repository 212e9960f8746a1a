"""Training-time augmentation with albumentations: four presets on whole uint8 batches."""

import os
import random
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from agegender.errors import AgeGenderError

cv2.setNumThreads(0)  # images are small and workers many: OpenCV's own threads only get in the way


class _Pipeline:
    """An albumentations pipeline that is reseeded once a batch.

    Args:
        steps: Class name in albumentations and its arguments, in order of application.

    Raises:
        AgeGenderError: albumentations does not know an argument or refuses its value.
    """

    def __init__(self, steps: Sequence[tuple[str, dict[str, Any]]]) -> None:
        os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # or the import asks the network for its own version
        import albumentations  # takes seconds: not paid where nothing is augmented

        try:
            # Strict: an argument name of another version is an error instead of a warning and a default value.
            self._compose = albumentations.Compose(
                [getattr(albumentations, name)(**arguments) for name, arguments in steps], strict=True
            )
        except ValueError as error:
            raise AgeGenderError(f"augment: {' '.join(str(error).split())}") from error

    def __repr__(self) -> str:
        """Every step with every argument, and whose they are."""
        import albumentations

        return f"albumentations {albumentations.__version__}: {self._compose!r}"

    def __call__(self, images: np.ndarray, seed: int) -> np.ndarray:
        """Augments a batch in place.

        Args:
            images: ``[N, H, W, 3]`` uint8 RGB, overwritten.
            seed: Decides everything that is drawn, so the result depends neither on the process nor on what it did
                before.

        Returns:
            The same array.
        """
        # One shared pair of generators. Compose.set_random_seed would start every transform from the same state, and
        # "flip?" and "brighten?" would then be decided by the same number.
        self._compose.set_random_state(np.random.default_rng(seed), random.Random(seed))
        for row, image in enumerate(images):
            images[row] = self._compose(image=image)["image"]
        return images


class Standard(_Pipeline):
    """Mirror, light, blur and holes: what in-the-wild faces vary in, without moving the face.

    There is no Resize: images arrive at training size. Holes are measured in pixels of that size; 30 is meant for 224.

    Args:
        flip: Probability of a horizontal mirror image.
        brightness: Largest change of brightness, as a share of the full range.
        contrast: Largest change of contrast, as a share.
        light_probability: Probability that brightness and contrast change.
        blur: Smallest and largest kernel of the Gaussian blur, odd pixels.
        blur_probability: Probability of a blur.
        holes: How many black squares are cut out when any are (CoarseDropout); 0 for none.
        hole_size: Their side in pixels.
        holes_probability: Probability of holes.
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
        """See the base class.

        Raises:
            AgeGenderError: The holes are larger than the images.
        """
        if min(images.shape[1:3]) < self._smallest:
            raise AgeGenderError(f"augment.hole_size={self._smallest}: larger than the images (image_size={images.shape[1]})")
        return super().__call__(images, seed)


class Geometric(_Pipeline):
    """Mirror at random; always rotation, zoom, translation and contrast, as Keras' layers of these names do them.

    One warp does all three movements, so pixels are interpolated once; borders are reflected, contrast is about the
    image's mean.

    Args:
        flip: Probability of a horizontal mirror image.
        rotation: Largest angle either way, degrees (36 is Keras' ``RandomRotation(0.1)``).
        zoom: Largest zoom either way, as a share.
        translation: Largest shift either way, as a share of height and of width.
        contrast: Largest change of contrast either way, as a share.
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
        # RandomBrightnessContrast scales about black, which would be a change of brightness.
        about_mean = {"brightness": (1, 1), "contrast": (1 - contrast, 1 + contrast), "saturation": (1, 1)}
        super().__init__(
            [
                ("HorizontalFlip", {"p": flip}),
                ("Affine", movement),
                ("ColorJitter", {**about_mean, "hue": (0, 0), "p": 1.0}),
            ]
        )


class Flip(_Pipeline):
    """A horizontal mirror image.

    Args:
        probability: Of a mirror image.
    """

    def __init__(self, probability: float = 0.5) -> None:
        super().__init__([("HorizontalFlip", {"p": probability})])


class Unchanged:
    """No augmentation."""

    def __call__(self, images: np.ndarray, seed: int) -> np.ndarray:
        """Returns the images as they are."""
        return images
