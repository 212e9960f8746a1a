"""Views of a face at the test."""

import torch
from torch.nn.functional import interpolate

from agegender.evaluation.views import views_of


def test_flip_adds_the_mirror_image() -> None:
    images = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).reshape(2, 3, 4, 4)
    assert [view is images for view in views_of(images, "one")] == [True]
    first, second = views_of(images, "flip")
    assert first is images and torch.equal(second[..., 0], images[..., 3]) and torch.equal(second.flip(3), images)


def test_crops_are_centre_and_corners_with_their_mirror_images() -> None:
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    views = views_of(images, "crops")
    assert len(views) == 10 and all(view.shape == images.shape and view.dtype == torch.uint8 for view in views)
    for row, column in ((0, 0), (0, 4), (4, 0), (4, 4), (2, 2)):
        crop = images[..., row : row + 28, column : column + 28]
        for one in (crop, crop.flip(3)):
            expected = interpolate(one.float(), (32, 32), mode="bilinear", antialias=True)
            assert min(float((view.float() - expected).abs().max()) for view in views) <= 1  # rounding
