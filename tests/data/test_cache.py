"""Image cache: pixels, keys, killed and concurrent builds, folders that cannot be written."""

import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agegender.data import cache as cache_module
from agegender.data.cache import DecodedImages, ImageCache
from agegender.errors import AgeGenderError
from agegender.sources.crop import Crop
from agegender.sources.resizing import squared

SIZE = 24

# Builds the cache of a folder in another process and prints a line for every decoded image. While the file "hold"
# exists, it pauses after ten images.
BUILDER = """
import hashlib, logging, sys, threading, time
from pathlib import Path
import numpy as np
import agegender.data.cache as cache
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
folder, root, hold = map(Path, sys.argv[1:4])
count, decode, lock = 0, cache.decode, threading.Lock()
def report(data):
    global count
    with lock:  # threads must not write into the same line
        count += 1
        sys.stdout.write("decoded\\n")
        sys.stdout.flush()
    while count > 10 and hold.exists():
        time.sleep(0.01)
    return decode(data)
cache.decode = report
files = sorted(folder.iterdir())
hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
built = cache.ImageCache.open_or_build(files, hashes, 24, root, progress=False)
print("sum", int(built[np.arange(len(built))].sum(dtype="int64")), flush=True)
"""


@pytest.fixture
def own_faces(tmp_path: Path) -> Path:
    folder = tmp_path / "faces"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(90):
        Image.fromarray(generator.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)).save(folder / f"{number:03d}.png")
    return folder


def _pixels(folder: Path) -> np.ndarray:
    return np.stack([np.array(Image.open(file)) for file in sorted(folder.iterdir())])


def _open(folder: Path, root: Path, size: int = SIZE) -> ImageCache:
    files = sorted(folder.iterdir())
    hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    return ImageCache.open_or_build(files, hashes, size, root, progress=False)


def _all(cache: ImageCache) -> np.ndarray:
    return cache[np.arange(len(cache))]


def _start(folder: Path, root: Path, hold: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", BUILDER, str(folder), str(root), str(hold)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(cache_module.__file__).parents[2])


def _read_until(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if word in line:
            return
    raise AssertionError(f"the process ended without printing {word!r}")


def test_rows_are_the_images_in_the_order_of_the_files(own_faces, tmp_path):
    built = _open(own_faces, tmp_path / "cache")
    pixels = _pixels(own_faces)
    assert len(built) == 90 and np.array_equal(_all(built), pixels)
    rows = np.array([80, 3, 3, 0])
    taken = built[rows]
    assert np.array_equal(taken, pixels[rows]) and taken.dtype == np.uint8 and type(taken) is np.ndarray
    taken[:] = 0  # it is a copy, so augmentation may overwrite it
    assert np.array_equal(built[rows], pixels[rows])


def test_decoding_at_every_use_gives_the_same_pixels(own_faces, tmp_path):
    rows = np.array([5, 89, 5])
    for size in (SIZE, 10, 40):
        assert np.array_equal(DecodedImages(sorted(own_faces.iterdir()), size)[rows], _open(own_faces, tmp_path, size)[rows])


def test_a_second_opening_decodes_nothing(own_faces, tmp_path, monkeypatch):
    _open(own_faces, tmp_path / "cache")
    monkeypatch.setattr(cache_module, "decode", lambda data: pytest.fail("decoded again"))
    assert np.array_equal(_all(_open(own_faces, tmp_path / "cache")), _pixels(own_faces))


def test_content_order_size_and_decoder_determine_the_cache_file(own_faces, tmp_path, monkeypatch):
    paths = {_open(own_faces, tmp_path / "cache").path, _open(own_faces, tmp_path / "cache", size=8).path}
    files = sorted(own_faces.iterdir(), reverse=True)
    hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    reverse = ImageCache.open_or_build(files, hashes, SIZE, tmp_path / "cache", progress=False)
    assert np.array_equal(_all(reverse), _pixels(own_faces)[::-1])
    paths.add(reverse.path)
    monkeypatch.setattr(cache_module, "DECODER", "another decoder")
    paths.add(_open(own_faces, tmp_path / "cache").path)
    assert len(paths) == 4


def test_whole_images_keep_the_cache_file_of_earlier_versions(own_faces, tmp_path):
    hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(own_faces.iterdir())]
    recipe = {
        "layout": 1, "size": SIZE, "interpolation": "area to shrink, linear to enlarge", "decoder": cache_module.DECODER
    }  # fmt: skip
    key = hashlib.sha256(json.dumps([recipe, hashes], sort_keys=True).encode()).hexdigest()
    assert _open(own_faces, tmp_path / "cache").path == tmp_path / "cache" / "images" / f"{key[:32]}.uint8"
    whole = ImageCache.open_or_build(
        sorted(own_faces.iterdir()), hashes, SIZE, tmp_path / "cache", False, [None] * 90, "reflect"
    )
    assert whole.path.name == f"{key[:32]}.uint8"


def test_regions_determine_the_cache_file_and_its_pixels(own_faces, tmp_path):
    files, rows = sorted(own_faces.iterdir()), np.array([0, 7, 89])
    hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    paths = {_open(own_faces, tmp_path / "cache").path}
    for crop in (Crop(scale=0.5), Crop(scale=0.75), Crop(scale=1.5), Crop(scale=1.5, outside="black")):
        regions = [crop.region(SIZE, SIZE)] * 89 + [None]
        built = ImageCache.open_or_build(files, hashes, 16, tmp_path / "cache", False, regions, crop.outside)
        expected = [crop(image, 16) for image in _pixels(own_faces)[rows[:2]]] + [squared(_pixels(own_faces)[89], 16)]
        assert np.array_equal(built[rows], expected)
        assert np.array_equal(DecodedImages(files, 16, regions, crop.outside)[rows], expected)
        paths.add(built.path)
    assert len(paths) == 5


def _zeroed(path: Path) -> None:
    """Black images, with the size and modification time of before."""
    times = os.stat(path)
    path.write_bytes(bytes(times.st_size))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _flipped(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(SIZE * SIZE * 3 * 50)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


DAMAGES = [_zeroed, _flipped, lambda path: os.truncate(path, 0), lambda path: os.truncate(path, 90 * SIZE * SIZE * 3 + 1)]


@pytest.mark.parametrize("damage", DAMAGES, ids=["zeroed", "one bit", "empty", "longer"])
def test_a_damaged_cache_is_built_again_with_a_warning(own_faces, tmp_path, damage, caplog):
    path = _open(own_faces, tmp_path / "cache").path
    damage(path)
    assert np.array_equal(_all(_open(own_faces, tmp_path / "cache")), _pixels(own_faces))
    assert f"{path} is damaged" in caplog.text


def test_a_cache_that_is_shortened_while_it_is_used_raises(own_faces, tmp_path):
    cache = _open(own_faces, tmp_path / "cache")
    os.truncate(cache.path, SIZE * SIZE * 3 * 10)
    assert np.array_equal(cache[np.arange(10)], _pixels(own_faces)[:10])
    with pytest.raises(AgeGenderError, match=rf"^{cache.path} has been shortened by another program while it is used"):
        cache[np.array([3, 10])]


def test_a_changed_file_gives_its_new_pixels(own_faces, tmp_path):
    _open(own_faces, tmp_path / "cache")
    Image.new("RGB", (SIZE, SIZE), (1, 2, 3)).save(own_faces / "007.png")
    assert (_all(_open(own_faces, tmp_path / "cache"))[7] == (1, 2, 3)).all()


@pytest.mark.parametrize("change", ["rewritten", "deleted"])
def test_a_file_that_changed_since_the_scan_raises(own_faces, tmp_path, change):
    files = sorted(own_faces.iterdir())
    hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    if change == "deleted":
        files[40].unlink()
    else:
        Image.new("RGB", (SIZE, SIZE)).save(files[40])
    with pytest.raises(AgeGenderError, match=r"040\.png.*run again"):
        ImageCache.open_or_build(files, hashes, SIZE, tmp_path / "cache", progress=False)
    assert [file.suffix for file in (tmp_path / "cache" / "images").iterdir()] == [".lock"]


def test_after_a_killed_build_the_next_one_succeeds(own_faces, tmp_path):
    root, hold = tmp_path / "cache", tmp_path / "hold"
    hold.touch()
    process = _start(own_faces, root, hold)
    for _ in range(10):
        _read_until(process, "decoded")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    left = {file.suffix for file in (root / "images").iterdir()}
    assert left == {".lock", ".partial"}  # the build was interrupted, and there is no cache file
    assert np.array_equal(_all(_open(own_faces, root)), _pixels(own_faces))
    assert {file.suffix for file in (root / "images").iterdir()} == {".json", ".lock", ".uint8"}


def test_of_two_processes_one_builds_the_cache(own_faces, tmp_path):
    root, hold = tmp_path / "cache", tmp_path / "hold"
    hold.touch()
    first = _start(own_faces, root, hold)
    _read_until(first, "decoded")
    second = _start(own_faces, root, hold)
    _read_until(second, "another process is building")
    hold.unlink()
    outputs = [process.communicate()[0] for process in (first, second)]
    expected = f"sum {_pixels(own_faces).sum(dtype=np.int64)}"
    assert [process.returncode for process in (first, second)] == [0, 0]
    assert all(expected in output for output in outputs)
    assert "decoded" not in outputs[1]


def test_the_second_process_builds_the_cache_if_the_first_is_killed(own_faces, tmp_path):
    root, hold = tmp_path / "cache", tmp_path / "hold"
    hold.touch()
    first = _start(own_faces, root, hold)
    _read_until(first, "decoded")
    second = _start(own_faces, root, hold)
    _read_until(second, "another process is building")
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    hold.unlink()
    output = second.communicate()[0]
    assert second.returncode == 0 and f"sum {_pixels(own_faces).sum(dtype=np.int64)}" in output


def _refused(faces: Path, root: Path) -> str:
    with pytest.raises(AgeGenderError) as caught:
        _open(faces, root)
    message = str(caught.value)
    assert "loader.cache=none" in message and "loader.cache_dir" in message and "\n" not in message
    return message


def test_a_folder_that_cannot_be_written_is_a_one_line_error(own_faces, tmp_path):
    (tmp_path / "file").touch()
    assert "Not a directory" in _refused(own_faces, tmp_path / "file" / "cache")


@pytest.mark.parametrize("reserves", [True, False], ids=["reserved", "written"])
def test_a_limit_on_file_sizes_is_a_one_line_error(own_faces, tmp_path, reserves):
    """The operating system's limit is reached when space is reserved or, on systems without reservation, when it is written."""
    script = BUILDER.replace("decode = report", "decode = decode") + "print('built')"
    limit = "import os, resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
    unreserved = "" if reserves else "del os.posix_fallocate\n"
    done = subprocess.run(
        [sys.executable, "-c", limit + unreserved + script, own_faces, tmp_path / "cache", tmp_path / "hold"],
        capture_output=True,
        text=True,
        cwd=Path(cache_module.__file__).parents[2],
        check=False,
    )
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and "built" not in done.stdout
    assert "AgeGenderError" in last and "File too large" in last and "loader.cache=none" in last
    assert [file.suffix for file in (tmp_path / "cache" / "images").iterdir()] == [".lock"]


def test_a_full_or_read_only_disk_is_a_one_line_error(own_faces, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting a small file system needs more permissions")
    try:
        assert "No space left on device" in _refused(own_faces, disk)
        assert [file.suffix for file in (disk / "images").iterdir()] == [".lock"]
        subprocess.run(["mount", "-o", "remount,ro", disk], capture_output=True, check=True)
        assert "Read-only file system" in _refused(own_faces, disk)
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_pickled_cache_holds_the_path_only(own_faces, tmp_path):
    built = _open(own_faces, tmp_path / "cache")
    data = pickle.dumps(built)
    assert len(data) < 1000
    assert np.array_equal(_all(pickle.loads(data)), _all(built))
