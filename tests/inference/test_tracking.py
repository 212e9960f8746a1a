import numpy as np
import pytest

from agegender.inference.predictor import Face
from agegender.inference.tracking import Tracker, follow, iou
from agegender.inference.video import Frame


def face(x: float, age: float = 30.0, female: float | None = 0.5) -> Face:
    return Face(age, (age - 5, age + 5), 90, np.array([0.5, 0.5]), 0, female, (x, 0.0, x + 100, 100.0), 0.9)


def test_overlap_equals_hand_counts() -> None:
    assert iou((0, 0, 2, 2), (1, 1, 3, 3)) == pytest.approx(1 / 7)
    assert iou((0, 0, 2, 2), (0, 0, 2, 2)) == 1
    assert iou((0, 0, 1, 1), (2, 2, 3, 3)) == iou((0, 0, 0, 0), (0, 0, 0, 0)) == 0


def test_a_moving_face_is_one_track_with_the_mean_estimate() -> None:
    tracker, ages = Tracker(), [20.0, 40.0, 33.0, 27.0]
    for step, age in enumerate(ages):
        assert tracker.update(step / 10, [face(20 * step, age, female=age / 100)]) == []
    [track] = tracker.tracks
    assert (track.number, track.seen, track.first, track.last) == (1, 4, 0.0, pytest.approx(0.3))
    assert track.face.age == pytest.approx(np.mean(ages)) and track.face.probability_female == pytest.approx(
        np.mean(ages) / 100
    )
    assert track.face.interval == pytest.approx((25, 35)) and track.face.box == (60, 0, 160, 100)


def test_the_largest_overlap_is_matched_first() -> None:
    tracker = Tracker()
    tracker.update(0.0, [face(0, 10.0), face(60, 50.0)])
    tracker.update(0.1, [face(55, 50.0), face(10, 10.0)])
    assert [(track.number, track.face.age) for track in tracker.tracks] == [(1, 10.0), (2, 50.0)]


def test_a_track_ends_after_the_patience_and_a_new_one_begins() -> None:
    tracker = Tracker(patience=0.5)
    tracker.update(0.0, [face(0)])
    assert tracker.update(0.5, []) == []
    [ended] = tracker.update(0.6, [])
    assert ended.number == 1 and tracker.tracks == []
    tracker.update(0.7, [face(0)])
    assert [track.number for track in tracker.end()] == [2] and tracker.tracks == []


def test_an_estimate_that_is_missing_stays_missing() -> None:
    tracker = Tracker()
    for time in (0.0, 0.1):
        tracker.update(time, [face(0, female=None)])
    assert tracker.tracks[0].face.probability_female is None


class Stand:
    """A predictor that finds one face, older in each frame that it searches."""

    def __init__(self) -> None:
        self.searched: list[int] = []

    def find(self, pixels: np.ndarray) -> list[int]:
        self.searched.append(int(pixels[0, 0, 0]))
        return [] if self.searched[-1] >= 6 else [self.searched[-1]]

    def estimate(self, found: list[int]) -> list[Face]:
        return [face(0, float(number)) for number in found]


def test_only_some_frames_are_searched_and_all_have_the_last_faces() -> None:
    stand, tracker = Stand(), Tracker(patience=0.2)
    frames = [Frame(number / 10, np.full((2, 2, 3), number, np.uint8)) for number in range(12)]
    followed = list(follow(frames, stand, tracker, every=3))  # type: ignore[arg-type]
    assert stand.searched == [0, 3, 6, 9]
    assert [len(one.visible) for one in followed] == [1] * 6 + [0] * 6
    assert [track.number for one in followed for track in one.ended] == [1]
