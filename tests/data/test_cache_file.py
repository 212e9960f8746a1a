"""Cache files: location, names, complete or absent files, and one-line errors."""

import errno
from pathlib import Path
from typing import BinaryIO

import pytest

from agegender.data.cache_file import build_once, cache_path, cache_root, explain_errors
from agegender.errors import AgeGenderError


def test_the_root_is_the_given_folder_or_that_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_root(str(tmp_path)) == tmp_path
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_root(None) == tmp_path / "agegender"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_root(None) == tmp_path / ".cache" / "agegender"
    assert cache_root("~/faces") == tmp_path / "faces"


def test_the_name_depends_on_the_recipe_and_not_on_the_order_of_its_keys(tmp_path: Path) -> None:
    first = cache_path(tmp_path, [{"size": 8, "decoder": "a"}, ["x", "y"]], ".npy")
    assert first.parent == tmp_path and first.suffix == ".npy"
    assert cache_path(tmp_path, [{"decoder": "a", "size": 8}, ["x", "y"]], ".npy") == first
    assert cache_path(tmp_path, [{"size": 8, "decoder": "a"}, ["y", "x"]], ".npy") != first
    assert cache_path(tmp_path, [{"size": 9, "decoder": "a"}, ["x", "y"]], ".npy") != first


def test_names_of_earlier_versions_are_still_found(tmp_path: Path) -> None:
    """If names changed, all existing caches would be built again and the old ones would fill the disk."""
    name = cache_path(tmp_path, [{"layout": 1, "size": 24}, ["ab"]], ".uint8").name
    assert name == "ef27e2f1da9a58a6ea40183c9a9d51e1.uint8"


def test_a_file_is_built_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.bin"
    build_once(path, lambda file: file.write(b"first") and None)
    build_once(path, lambda file: pytest.fail("built again"))
    assert path.read_bytes() == b"first"
    assert {file.suffix for file in path.parent.iterdir()} == {".bin", ".json", ".lock"}


@pytest.mark.parametrize("damaged", ["a.bin", "a.json"])
def test_a_file_that_is_damaged_or_has_no_checksums_is_built_again(
    damaged: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.bin"
    build_once(path, lambda file: file.write(b"first") and None)
    assert not caplog.records
    (tmp_path / damaged).write_bytes(b"other")
    build_once(path, lambda file: file.write(b"again") and None)
    assert path.read_bytes() == b"again" and f"{path} is damaged" in caplog.text
    build_once(path, lambda file: pytest.fail("built a third time"))


def test_a_failed_build_leaves_no_file_and_the_next_one_succeeds(tmp_path: Path) -> None:
    def fails(file: BinaryIO) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    path = tmp_path / "a.bin"
    with pytest.raises(KeyboardInterrupt):
        build_once(path, fails)
    assert [file.suffix for file in tmp_path.iterdir()] == [".lock"]
    build_once(path, lambda file: file.write(b"whole") and None)
    assert path.read_bytes() == b"whole"


def test_the_content_of_an_unfinished_build_is_not_visible_under_the_final_name(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"

    def write(file: BinaryIO) -> None:
        file.write(b"content")
        file.flush()
        assert not path.exists() and path.with_suffix(".partial").read_bytes() == b"content"

    build_once(path, write)
    assert path.exists()


def test_os_errors_name_the_file_its_size_and_the_alternatives(tmp_path: Path) -> None:
    expected = r"^image cache /caches/a \(2\.5 GB\): No space left on device\. .*loader\.cache_dir=FOLDER, or use no cache$"
    with (
        pytest.raises(AgeGenderError, match=expected),
        explain_errors("image cache", Path("/caches/a"), 2_500_000_000, "use no cache"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(KeyError), explain_errors("image cache", tmp_path, 1, "use no cache"):
        raise KeyError("not an OSError")
