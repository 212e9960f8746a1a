"""The cache holds the right pixels, survives death and company, and says clearly why it cannot be written."""

import hashlib
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
from agegender.data.cache import DecodedImages, ImageCache, cache_root
from agegender.errors import AgeGenderError

SIZE = 24

# Builds a cache of a folder in a process of its own and tells of every decoded image. Once the file "hold" exists, it
# stops after ten images until the file is gone.
BUILDER = """
import hashlib, logging, sys, threading, time
from pathlib import Path
import agegender.data.cache as cache
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
folder, root, hold = map(Path, sys.argv[1:4])
count, decode, one = 0, cache.decode, threading.Lock()
def told(data):
    global count
    with one:  # threads decode, and two of them must not write into one line
        count += 1
        sys.stdout.write("decoded\\n")
        sys.stdout.flush()
    while count > 10 and hold.exists():
        time.sleep(0.01)
    return decode(data)
cache.decode = told
files = sorted(folder.iterdir())
hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
built = cache.ImageCache.open_or_build(files, hashes, 24, root, progress=False)
print("sum", int(built.images.sum(dtype="int64")), flush=True)
"""


@pytest.fixture
def faces(tmp_path: Path) -> Path:
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


def _start(folder: Path, root: Path, hold: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", BUILDER, str(folder), str(root), str(hold)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(cache_module.__file__).parents[2])


def _read_until(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if word in line:
            return
    raise AssertionError(f"the process ended without saying {word!r}")


def test_rows_are_the_files_in_order(faces, tmp_path):
    built = _open(faces, tmp_path / "cache")
    pixels = _pixels(faces)
    assert len(built) == 90 and np.array_equal(built.images, pixels)
    rows = np.array([80, 3, 3, 0])
    taken = built[rows]
    assert np.array_equal(taken, pixels[rows]) and taken.dtype == np.uint8 and type(taken) is np.ndarray
    taken[:] = 0  # a copy: augmentation may overwrite it
    assert np.array_equal(built[rows], pixels[rows])
    with pytest.raises(ValueError, match="read-only"):
        built.images[0] = 0


def test_decoding_at_every_use_gives_the_same_pixels(faces, tmp_path):
    rows = np.array([5, 89, 5])
    for size in (SIZE, 10, 40):
        assert np.array_equal(DecodedImages(sorted(faces.iterdir()), size)[rows], _open(faces, tmp_path, size)[rows])


def test_a_second_opening_decodes_nothing(faces, tmp_path, monkeypatch):
    _open(faces, tmp_path / "cache")
    monkeypatch.setattr(cache_module, "decode", lambda data: pytest.fail("decoded again"))
    assert np.array_equal(_open(faces, tmp_path / "cache").images, _pixels(faces))


def test_content_order_size_and_decoder_make_another_cache(faces, tmp_path, monkeypatch):
    paths = {_open(faces, tmp_path / "cache").path, _open(faces, tmp_path / "cache", size=8).path}
    files = sorted(faces.iterdir(), reverse=True)
    hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    turned = ImageCache.open_or_build(files, hashes, SIZE, tmp_path / "cache", progress=False)
    assert np.array_equal(turned.images, _pixels(faces)[::-1])
    paths.add(turned.path)
    monkeypatch.setattr(cache_module, "DECODER", "another decoder")
    paths.add(_open(faces, tmp_path / "cache").path)
    assert len(paths) == 4


@pytest.mark.parametrize("size", [0, 5, 90 * SIZE * SIZE * 3 + 1])
def test_a_damaged_cache_is_told(faces, tmp_path, size):
    os.truncate(_open(faces, tmp_path / "cache").path, size)
    with pytest.raises(AgeGenderError, match=f"{size} bytes where {90 * SIZE * SIZE * 3} are expected: damaged, delete it"):
        _open(faces, tmp_path / "cache")


def test_a_changed_file_is_never_served_stale(faces, tmp_path):
    _open(faces, tmp_path / "cache")
    Image.new("RGB", (SIZE, SIZE), (1, 2, 3)).save(faces / "007.png")
    assert (_open(faces, tmp_path / "cache").images[7] == (1, 2, 3)).all()


@pytest.mark.parametrize("change", ["rewritten", "deleted"])
def test_a_file_that_changed_since_the_scan_stops_the_build(faces, tmp_path, change):
    files = sorted(faces.iterdir())
    hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    if change == "deleted":
        files[40].unlink()
    else:
        Image.new("RGB", (SIZE, SIZE)).save(files[40])
    with pytest.raises(AgeGenderError, match=r"040\.png.*run again"):
        ImageCache.open_or_build(files, hashes, SIZE, tmp_path / "cache", progress=False)
    assert [file.suffix for file in (tmp_path / "cache" / "images").iterdir()] == [".lock"]


def test_a_killed_build_restarts_cleanly(faces, tmp_path):
    root, hold = tmp_path / "cache", tmp_path / "hold"
    hold.touch()
    process = _start(faces, root, hold)
    for _ in range(10):
        _read_until(process, "decoded")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    left = {file.suffix for file in (root / "images").iterdir()}
    assert left == {".lock", ".partial"}  # really half-way, and nothing that looks like a cache
    assert np.array_equal(_open(faces, root).images, _pixels(faces))
    assert {file.suffix for file in (root / "images").iterdir()} == {".lock", ".uint8"}


def test_two_processes_build_one_cache_once(faces, tmp_path):
    root, hold = tmp_path / "cache", tmp_path / "hold"
    hold.touch()
    first = _start(faces, root, hold)
    _read_until(first, "decoded")
    second = _start(faces, root, hold)
    _read_until(second, "another process is building")  # they meet
    hold.unlink()
    outputs = [process.communicate()[0] for process in (first, second)]
    expected = f"sum {_pixels(faces).sum(dtype=np.int64)}"
    assert [process.returncode for process in (first, second)] == [0, 0]
    assert all(expected in output for output in outputs)
    assert "decoded" not in outputs[1]


def test_the_second_process_takes_over_when_the_first_is_killed(faces, tmp_path):
    root, hold = tmp_path / "cache", tmp_path / "hold"
    hold.touch()
    first = _start(faces, root, hold)
    _read_until(first, "decoded")
    second = _start(faces, root, hold)
    _read_until(second, "another process is building")
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    hold.unlink()
    output = second.communicate()[0]
    assert second.returncode == 0 and f"sum {_pixels(faces).sum(dtype=np.int64)}" in output


def _refused(faces: Path, root: Path) -> str:
    with pytest.raises(AgeGenderError) as caught:
        _open(faces, root)
    message = str(caught.value)
    assert "loader.cache=none" in message and "loader.cache_dir" in message and "\n" not in message
    return message


def test_a_folder_that_cannot_be_written_is_one_clear_line(faces, tmp_path):
    (tmp_path / "file").touch()
    assert "Not a directory" in _refused(faces, tmp_path / "file" / "cache")


@pytest.mark.parametrize("reserves", [True, False], ids=["reserved", "written"])
def test_a_file_that_may_not_grow_is_one_clear_line(faces, tmp_path, reserves):
    """A real limit of the system on file sizes, met when space is reserved or, where it cannot be, when written."""
    script = BUILDER.replace("decode = told", "decode = decode") + "print('built')"
    limit = "import os, resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
    unreserved = "" if reserves else "del os.posix_fallocate\n"
    done = subprocess.run(
        [sys.executable, "-c", limit + unreserved + script, faces, tmp_path / "cache", tmp_path / "hold"],
        capture_output=True,
        text=True,
        cwd=Path(cache_module.__file__).parents[2],
        check=False,
    )
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and "built" not in done.stdout
    assert "AgeGenderError" in last and "File too large" in last and "loader.cache=none" in last
    assert [file.suffix for file in (tmp_path / "cache" / "images").iterdir()] == [".lock"]


def test_a_full_disk_is_one_clear_line(faces, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting a small file system needs more rights than these")
    try:
        assert "No space left on device" in _refused(faces, disk)
        assert [file.suffix for file in (disk / "images").iterdir()] == [".lock"]
        subprocess.run(["mount", "-o", "remount,ro", disk], capture_output=True, check=True)
        assert "Read-only file system" in _refused(faces, disk)
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_cache_travels_to_other_processes_by_name(faces, tmp_path):
    built = _open(faces, tmp_path / "cache")
    data = pickle.dumps(built)
    assert len(data) < 1000
    assert np.array_equal(pickle.loads(data).images, built.images)


def test_where_caches_live(monkeypatch, tmp_path):
    assert cache_root(str(tmp_path)) == tmp_path
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_root(None) == tmp_path / "agegender"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_root(None) == tmp_path / ".cache" / "agegender"
