"""Boxes as text, and those that are none."""

import hashlib

import numpy as np
import pytest

from agegender.sources.box import Region, box_text, face_name, parse_box, region_sha256, split_name


def test_a_rectangle_and_its_corners_are_the_same_region() -> None:
    region = parse_box("10 20 50 100")
    assert region == (30, 60, 40, 0, 0, 80) == parse_box("10 20 50 20 50 100 10 100")
    assert region.corners().tolist() == [[10, 20], [50, 20], [50, 100], [10, 100]]
    assert region.sides == (40, 80) and region.scaled(0.5, 1).sides == (20, 80)


def test_a_quadrilateral_becomes_the_parallelogram_of_its_mean_edges() -> None:
    region = parse_box("21 69 569 103 535 652 -13 617")  # a face of FG-NET, with rounded corners
    assert np.abs(region.corners() - [[21, 69], [569, 103], [535, 652], [-13, 617]]).max() <= 0.5
    assert region.sides[0] == pytest.approx(region.sides[1], rel=0.01)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 2 3", "box has 3 numbers instead of 4 or 8: 1 2 3"),
        ("a 2 3 4", "box is not numbers: a 2 3 4"),
        ("0 0 nan 4", "box has coordinates that are not finite or above 1000000 pixels"),
        ("0 0 2e6 4", "box has coordinates that are not finite or above 1000000 pixels"),
        ("5 0 5 4", "box has no area"),
        ("50 0 10 40", "box has swapped corners"),
        ("50 40 10 0", "box has swapped corners"),
        ("0 0 10 10 10 0 0 10", "box crosses itself or is not convex"),
        ("0 0 10 0 2 2 0 10", "box crosses itself or is not convex"),
        ("0 0 0 10 10 10 10 0", "box has swapped corners"),
    ],
)
def test_impossible_boxes_have_a_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{reason}"):
        parse_box(text)


def test_text_has_two_decimals_at_most() -> None:
    assert box_text(1.0, -2.346, 3, 1e5) == "1 -2.35 3 100000"


@pytest.mark.parametrize(
    ("text", "share"),
    [("0 0 9 9", 1), ("-5 -5 1 1", 1 / 36), ("-9 0 0 9", 0), ("40 0 60 9", 0), ("0 0 1000000 1000000", 1.2e-9)],
)
def test_a_region_may_reach_beyond_an_image(text: str, share: float) -> None:
    assert parse_box(text).share_inside(40, 30) == pytest.approx(share)
    assert Region.of_image(40, 30).corners().tolist() == [[0, 0], [40, 0], [40, 30], [0, 30]]


@pytest.mark.parametrize("face", [("a.jpg", ""), ("a/b.jpg", "0 0 9 9"), ("a#1.jpg", ""), ("a#1.jpg", "0 0 9 0 9 9 0 9")])
def test_the_name_of_a_face_has_its_file_and_its_box(face: tuple[str, str]) -> None:
    assert split_name(face_name(*face)) == face


def test_the_hash_of_a_face_is_of_its_file_and_its_box() -> None:
    sha256 = hashlib.sha256(b"picture").hexdigest()
    assert region_sha256(sha256, "") == sha256
    assert len({sha256, region_sha256(sha256, "0 0 9 9"), region_sha256(sha256, "0 0 9 8")}) == 3
