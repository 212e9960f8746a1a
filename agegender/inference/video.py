"""Reads the frames of a video or a camera, and writes a video, with PyAV (FFmpeg)."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np

from agegender.errors import AgeGenderError
from agegender.sources.images import MAX_PIXELS

SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi"})
# FFmpeg looks at the content: a playlist named like a video could make it read other files, or the network.
SAFE = {"protocol_whitelist": "file", "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi"}
CAMERA = "/dev/video"  # Linux: a camera is a file such as /dev/video0
MISSING_END = 1.0  # seconds that a video may be shorter than its header says


def is_video(path: Path) -> bool:
    """Whether a path names a video or a camera."""
    return path.suffix.lower() in SUFFIXES or str(path).startswith(CAMERA)


class Frame(NamedTuple):
    """A frame: seconds from the first frame, and RGB pixels, uint8 [height, width, 3]."""

    time: float
    pixels: np.ndarray


class VideoError(AgeGenderError):
    """A video is damaged or cut off. The frames before were read."""


class VideoReader:
    """Iterates over the frames of a video, one in memory at a time.

    Args:
        path: A file, or a camera such as ``/dev/video0``.

    Attributes:
        rate: Frames per second.

    Raises:
        AgeGenderError: It cannot be opened, has no video, or its frames have more than 64 million pixels.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        av = _pyav()
        try:
            is_camera = str(path).startswith(CAMERA)
            self._container = av.open(str(path), format="v4l2") if is_camera else av.open(str(path), options=SAFE)
        except (OSError, ValueError) as error:  # errors of FFmpeg are both
            raise AgeGenderError(f"{path}: cannot be read as a video: {_reason(error)}") from error
        if not self._container.streams.video:
            self._container.close()
            raise AgeGenderError(f"{path}: has no video stream")
        self._stream = self._container.streams.video[0]
        width, height = self._stream.width, self._stream.height
        if not 0 < width * height <= MAX_PIXELS:
            self._container.close()
            raise AgeGenderError(f"{path}: frames of {width} x {height} pixels (limit {MAX_PIXELS} pixels)")
        self.rate = Fraction(self._stream.average_rate or 25)

    def __iter__(self) -> Iterator[Frame]:
        """Yields every frame, turned upright as the file says.

        Raises:
            VideoError: The video is damaged, or ends before the time that its header names.
        """
        first, time = None, 0.0
        try:
            for frame in self._container.decode(self._stream):
                now = time if frame.time is None else frame.time
                first = now if first is None else first
                time = now - first
                pixels = frame.to_ndarray(format="rgb24")
                yield Frame(time, np.ascontiguousarray(np.rot90(pixels, frame.rotation // 90)))
        except (OSError, ValueError) as error:
            raise VideoError(f"{self.path}: damaged after {time:.1f} seconds: {_reason(error)}") from error
        if first is None:
            raise VideoError(f"{self.path}: has no frame that can be decoded")
        duration = float((self._container.duration or 0) / 1e6)
        if duration - time > MISSING_END + 1 / self.rate:
            raise VideoError(f"{self.path}: cut off: ends after {time:.1f} of {duration:.1f} seconds")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._container.close()


class VideoWriter:
    """Writes frames as H.264. The file has no sound.

    Args:
        path: The suffix chooses the container; its folder must exist.
        rate: Frames per second.

    Raises:
        AgeGenderError: FFmpeg cannot write such a file.
    """

    _TICKS = 90_000  # a second, as in MPEG: frames keep their times also where the rate varies

    def __init__(self, path: Path, rate: Fraction) -> None:
        self.path = path
        try:
            self._container = _pyav().open(str(path), "w")
            self._stream: Any = self._container.add_stream("libx264", rate=rate)
        except (OSError, ValueError) as error:
            raise AgeGenderError(f"{path}: cannot be written as a video: {_reason(error)}") from error
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, self._TICKS)
        self._last = -1

    def write(self, frame: Frame) -> None:
        """Adds a frame; all frames must have the same size. An odd last row or column is left out, since H.264 has none."""
        height, width = (side // 2 * 2 for side in frame.pixels.shape[:2])
        if self._last < 0:
            self._stream.height, self._stream.width = height, width
        picture = _pyav().VideoFrame.from_ndarray(np.ascontiguousarray(frame.pixels[:height, :width]), format="rgb24")
        picture.time_base = Fraction(1, self._TICKS)
        self._last = picture.pts = max(self._last + 1, round(frame.time * self._TICKS))
        self._container.mux(self._stream.encode(picture))

    def close(self) -> None:
        """Ends the file."""
        if self._last >= 0:
            self._container.mux(self._stream.encode())
        self._container.close()


def _pyav() -> Any:
    try:
        import av
    except ImportError as error:
        raise AgeGenderError("a video needs PyAV: pip install 'agegender[video]'") from error
    av.logging.set_level(None)  # its errors are raised
    return av


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error).split(":")[0]
