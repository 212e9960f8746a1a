"""Anonymous audience counts of a video: how many tracks by time, age range and apparent gender."""

import csv
from collections import Counter
from pathlib import Path

from agegender.inference.tracking import Track
from agegender.metrics.ranges import NINE, names, range_of
from agegender.whole_files import whole

COLUMNS = ("from_second", "to_second", "age_range", "gender", "tracks")
LEAST_SEEN = 2  # frames; a face that was found only once is often an error of the detector


class Audience:
    """Counts tracks. It keeps numbers only: no image, no box, no estimate of one person.

    A person who leaves the picture and comes back is a new track.

    Args:
        window: Seconds of a time window; a track belongs to the one in which it begins.
        minimum: Least tracks of a cell. Smaller cells are left out, so that nobody is singled out.
    """

    def __init__(self, window: int = 60, minimum: int = 5) -> None:
        self.window = window
        self.minimum = minimum
        self._cells: Counter[tuple[int, int, str]] = Counter()

    def add(self, track: Track) -> None:
        """Counts a track that has ended, unless it was seen in one frame only."""
        if track.seen < LEAST_SEEN:
            return
        age, female = track.face.age, track.face.probability_female
        gender = "" if female is None else "female" if female >= 0.5 else "male"
        self._cells[int(track.first // self.window), -1 if age is None else int(range_of(age)), gender] += 1

    def rows(self) -> list[tuple[int, int, str, str, int]]:
        """Window in seconds, age range, gender by appearance, tracks; an age or gender that is not estimated is empty."""
        ranges = [*names(NINE), ""]  # the last is that of -1
        return [
            (at * self.window, (at + 1) * self.window, ranges[age], gender, count)
            for (at, age, gender), count in sorted(self._cells.items())
            if count >= self.minimum
        ]

    def write(self, path: Path) -> None:
        """Writes the rows as CSV.

        Raises:
            WriteError: The file cannot be written.
        """
        with whole(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(COLUMNS)
            table.writerows(self.rows())
