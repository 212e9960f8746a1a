"""Faces of images: names and numbers of whole images and of boxes."""

import pytest

from agegender.sources.boxed_faces import BoxedFaces


def test_each_box_of_an_image_is_a_face_once() -> None:
    faces = BoxedFaces(["a.jpg", "b.jpg"])
    assert [faces.in_box(1, "0 0 9 9.0"), faces.in_box(0, "0 0 9 9"), faces.in_box(1, "0 0 9.00 9"), faces.in_box(1, "  ")] == [
        2, 3, 2, 1
    ]  # fmt: skip
    assert faces.names() == ["a.jpg", "b.jpg", "b.jpg#0 0 9 9", "a.jpg#0 0 9 9"]
    assert (len(faces), faces.boxed, faces.files[3], faces.boxes) == (4, {0, 1}, "a.jpg", ["", "", "0 0 9 9", "0 0 9 9"])


def test_a_text_that_is_no_box_adds_no_face() -> None:
    faces = BoxedFaces(["a.jpg"])
    with pytest.raises(ValueError, match="box has swapped corners"):
        faces.in_box(0, "9 9 0 9")
    assert len(faces) == 1 and not faces.boxed
