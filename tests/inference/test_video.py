import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agegender.errors import AgeGenderError
from agegender.inference.video import Frame, VideoError, VideoReader, VideoWriter, is_video

av = pytest.importorskip("av", reason="PyAV is not installed (pip install 'agegender[video]')")
Draw = Callable[..., Path]


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """Writes a video of grey frames, each brighter than the one before."""

    def draw(name: str, frames: int = 30, size: tuple[int, int] = (64, 96)) -> Path:
        writer = VideoWriter(tmp_path / name, Fraction(10))
        for number in range(frames):
            writer.write(Frame(number / 10, np.full((*size, 3), 5 * number % 250, np.uint8)))
        writer.close()
        return tmp_path / name

    return draw


def read(path: Path) -> list[Frame]:
    with VideoReader(path) as reader:
        return list(reader)


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv", "v.mov"])
def test_what_is_written_is_read(name: str, draw: Draw) -> None:
    frames = read(draw(name))
    assert [round(frame.time, 2) for frame in frames] == [number / 10 for number in range(30)]
    assert [round(frame.pixels.mean() / 5) for frame in frames] == list(range(30))
    assert frames[0].pixels.shape == (64, 96, 3)


def test_frames_keep_times_that_are_not_regular(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "v.mp4", Fraction(10))
    for time in (0, 0.1, 0.7, 0.75):
        writer.write(Frame(time, np.zeros((16, 16, 3), np.uint8)))
    writer.close()
    assert [frame.time for frame in read(tmp_path / "v.mp4")] == pytest.approx([0, 0.1, 0.7, 0.75], abs=1e-3)


def test_odd_sizes_lose_a_row_or_column(draw: Draw) -> None:
    assert read(draw("v.mp4", size=(65, 97)))[0].pixels.shape == (64, 96, 3)


@pytest.mark.parametrize(("angle", "bright"), [(90, np.s_[48:]), (-90, np.s_[:48]), (180, np.s_[:, 48:])])
def test_a_video_of_a_turned_phone_is_upright(angle: int, bright: Any, tmp_path: Path) -> None:
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[:, :48] = 250  # its left half; a display turns it against the clock by the angle
    writer = VideoWriter(tmp_path / "v.mp4", Fraction(10))
    writer.write(Frame(0, pixels))
    writer.close()
    source = av.open(str(tmp_path / "v.mp4"))
    turned = av.open(str(tmp_path / "turned.mp4"), "w")
    stream = turned.add_stream_from_template(source.streams.video[0])
    if not hasattr(stream, "set_display_rotation"):
        pytest.skip("this PyAV cannot write the rotation of a stream")
    stream.set_display_rotation(angle)
    for packet in source.demux(source.streams.video[0]):
        if packet.dts is not None:
            packet.stream = stream
            turned.mux(packet)
    turned.close()
    [frame] = read(tmp_path / "turned.mp4")
    assert frame.pixels.shape == ((64, 96, 3) if angle == 180 else (96, 64, 3))
    assert frame.pixels[bright].mean() > 200 and frame.pixels.mean() < 150


def test_a_video_that_was_cut_off_gives_its_frames_and_a_reason(draw: Draw) -> None:
    path = draw("v.mkv", frames=100, size=(200, 300))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    found = []
    with VideoReader(path) as reader, pytest.raises(VideoError, match=r"v\.mkv: (cut off|damaged)"):
        for frame in reader:
            found.append(frame)
    assert 1 <= len(found) < 100


def test_what_is_no_video_is_one_line(draw: Draw, tmp_path: Path) -> None:
    path = draw("v.mp4")
    path.write_bytes(path.read_bytes()[:200])
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mp4").touch()
    for file in (path, tmp_path / "text.mp4", tmp_path / "empty.mp4", tmp_path / "none.mp4"):
        with pytest.raises(AgeGenderError, match=r"^[^\n]*\.mp4: cannot be read as a video: [^\n]+$"):
            VideoReader(file)
    with pytest.raises(AgeGenderError, match="cannot be written as a video"):
        VideoWriter(tmp_path / "v.unknown", Fraction(10))


@pytest.mark.parametrize(
    ("name", "video"), [("a.mp4", True), ("B.MOV", True), ("/dev/video0", True), ("a.jpg", False), ("d", False)]
)
def test_videos_are_known_by_their_name(name: str, video: bool) -> None:
    assert is_video(Path(name)) == video


def test_a_playlist_named_like_a_video_reads_nothing_else(draw: Draw, tmp_path: Path) -> None:
    other = draw("other.mkv")
    ffconcat = f"ffconcat version 1.0\nfile '{other.name}'\n"
    hls = f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nfile://{other}\n#EXT-X-ENDLIST\n"
    for text in (ffconcat, hls):
        (tmp_path / "playlist.mp4").write_text(text)
        with pytest.raises(AgeGenderError, match=r"playlist\.mp4: cannot be read as a video"):
            VideoReader(tmp_path / "playlist.mp4")


def test_without_pyav_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(AgeGenderError, match=r"pip install 'agegender\[video\]'"):
        VideoReader(tmp_path / "v.mp4")
