"""Tracking: detected faces of successive frames that overlap are one person, with one smoothed estimate."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from agegender.inference.predictor import Face, Predictor
from agegender.inference.video import Frame

Box = tuple[float, float, float, float]


@dataclass
class Track:
    """A face over time.

    Attributes:
        number: From 1, in the order in which tracks begin.
        first: Seconds from the beginning of the video.
        last: Seconds; when the face was last seen.
        seen: Number of frames in which the face was found.
        face: The last box, and the mean of the estimates so far.
    """

    number: int
    first: float
    last: float
    seen: int
    face: Face

    def add(self, time: float, face: Face) -> None:
        """Adds a sighting."""
        self.last, self.seen = time, self.seen + 1
        self.face = _averaged(self.face, face, 1 / self.seen)


class Tracker:
    """Matches the faces of each frame with those of earlier frames by the overlap of their boxes.

    The overlap is intersection over union (IoU). Pairs are matched in the order of their overlap, the largest first (Bochinski
    et al., "High-Speed Tracking-by-Detection Without Using Image Information", 2017).

    Args:
        overlap: Smallest IoU of a match, 0..1.
        patience: Seconds after which a track ends if its face is not found again.
    """

    def __init__(self, overlap: float = 0.3, patience: float = 1.0) -> None:
        self.overlap = overlap
        self.patience = patience
        self.tracks: list[Track] = []
        self._started = 0

    def update(self, time: float, faces: Sequence[Face]) -> list[Track]:
        """Adds the faces of a frame, each with a box, to ``tracks``; returns the tracks that have ended and removes them.

        Args:
            time: Of the frame, in seconds.
            faces: Found in it.
        """
        pairs = [
            (iou(_box(track.face), _box(face)), i, j) for i, track in enumerate(self.tracks) for j, face in enumerate(faces)
        ]
        tracks, left = set(range(len(self.tracks))), set(range(len(faces)))
        for overlap, i, j in sorted(pairs, reverse=True):
            if overlap >= self.overlap and i in tracks and j in left:
                self.tracks[i].add(time, faces[j])
                tracks.remove(i)
                left.remove(j)
        for j in sorted(left):
            self._started += 1
            self.tracks.append(Track(self._started, time, time, 1, faces[j]))
        ended = [track for track in self.tracks if time - track.last > self.patience]
        self.tracks = [track for track in self.tracks if time - track.last <= self.patience]
        return ended

    def end(self) -> list[Track]:
        """Returns the tracks that had not ended, and removes them."""
        ended, self.tracks = self.tracks, []
        return ended


class Followed(NamedTuple):
    """A frame, the faces that are in it, and the tracks that ended before it."""

    frame: Frame
    visible: list[Track]
    ended: list[Track]


def follow(frames: Iterable[Frame], predictor: Predictor, tracker: Tracker, every: int = 1) -> Iterator[Followed]:
    """Finds, estimates and tracks the faces of a video. One frame and the present faces are in memory.

    Args:
        frames: In the order of their time.
        predictor: With a face detector.
        tracker: Its remaining tracks are those that last until the end.
        every: Search every ``every``-th frame; the frames between have the faces of the one before.
    """
    searched = 0.0
    for number, frame in enumerate(frames):
        ended = []
        if number % every == 0:
            ended = tracker.update(frame.time, predictor.estimate(predictor.find(frame.pixels)))
            searched = frame.time
        yield Followed(frame, [track for track in tracker.tracks if track.last == searched], ended)


def iou(one: Box, other: Box) -> float:
    """Intersection over union of two boxes x0, y0, x1, y1, in 0..1."""
    width, height = (min(one[i + 2], other[i + 2]) - max(one[i], other[i]) for i in (0, 1))
    shared = max(0.0, width) * max(0.0, height)
    union = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)) - shared
    return shared / union if union > 0 else 0.0


def _box(face: Face) -> Box:
    assert face.box is not None  # a detector found it
    return face.box


def _averaged(mean: Face, face: Face, weight: float) -> Face:
    """The newest face, with estimates between those of the mean and its own."""

    def between(old: float | None, new: float | None) -> float | None:
        return None if old is None or new is None else old + weight * (new - old)

    ends = [between(*pair) for pair in zip(mean.interval or (None,) * 2, face.interval or (None,) * 2, strict=True)]
    return replace(
        face,
        age=between(mean.age, face.age),
        interval=None if ends[0] is None or ends[1] is None else (ends[0], ends[1]),
        distribution=None
        if mean.distribution is None or face.distribution is None
        else mean.distribution + weight * (face.distribution - mean.distribution),
        probability_female=between(mean.probability_female, face.probability_female),
    )
