"""Every entry of a folder is a file to read or has a reason why not; paths in label files stay inside the root."""

import os
from pathlib import Path

import pytest

from agegender.errors import AgeGenderError
from agegender.sources.listing import list_files, path_in_root


def test_files_links_pipes_and_link_loops(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "part2" / "deep").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "hidden.jpg").touch()
    for name in ("b.jpg", "part2/a.jpg", "part2/deep/c.txt", ".DS_Store"):
        (root / name).touch()
    (root / "link.jpg").symlink_to(tmp_path / "outside" / "hidden.jpg")
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "circle").symlink_to(root)
    (root / "broken.jpg").symlink_to("nowhere")
    (root / "loop.jpg").symlink_to("loop.jpg")
    (root / "empty.jpg").mkdir()
    os.mkfifo(root / "pipe.jpg")
    (root / "to_pipe.jpg").symlink_to("pipe.jpg")
    files, skipped = list_files(root, "d")
    assert files == [".DS_Store", "b.jpg", "link.jpg", "part2/a.jpg", "part2/deep/c.txt"]
    assert {one.path: one.reason for one in skipped} == {
        "d/broken.jpg": "broken symbolic link",
        "d/circle": "symbolic link to a folder (not followed)",
        "d/folder": "symbolic link to a folder (not followed)",
        "d/loop.jpg": "symbolic link loop",
        "d/pipe.jpg": "not a regular file",
        "d/to_pipe.jpg": "not a regular file",
    }


def test_a_name_that_is_not_utf8_is_skipped(tmp_path: Path) -> None:
    try:
        os.close(os.open(os.fsencode(tmp_path) + b"/\xff.jpg", os.O_CREAT))
    except OSError:
        pytest.skip("this file system accepts valid UTF-8 names only")
    files, skipped = list_files(tmp_path, "d")
    assert files == []
    assert [(one.path, one.reason) for one in skipped] == [("d/\udcff.jpg", "file name is not valid UTF-8")]


def test_a_subfolder_without_read_permission_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir(mode=0)
    try:
        if os.access(tmp_path / "secret", os.R_OK):
            pytest.skip("this user can list every folder")
        assert "cannot be listed" in list_files(tmp_path, "d")[1][0].reason
    finally:
        (tmp_path / "secret").chmod(0o700)


@pytest.mark.parametrize(("name", "why"), [("absent", "No such file"), ("file", "not a folder"), ("loop", "links")])
def test_an_invalid_root_raises_an_error_with_its_key(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(AgeGenderError, match=rf"data\.root=.*{name}.*{why}"):
        list_files(tmp_path / name, "d")


@pytest.mark.parametrize(
    ("image", "path"),
    [
        ("a.jpg", "a.jpg"),
        ("./sub//a.jpg", "sub/a.jpg"),
        ("sub\\a.jpg", "sub/a.jpg"),
        ("sub/../a.jpg", "a.jpg"),
        ("..a.jpg", "..a.jpg"),
        ("ROOT/sub/a.jpg", "sub/a.jpg"),
        ("../a.jpg", None),
        ("sub/../../a.jpg", None),
        ("/elsewhere/a.jpg", None),
        ("C:\\a.jpg", None),
        (".", None),
        ("", None),
    ],
)
def test_path_in_root_returns_a_relative_path_or_none(tmp_path: Path, image: str, path: str | None) -> None:
    assert path_in_root(image.replace("ROOT", str(tmp_path)), tmp_path) == path


def test_path_in_root_accepts_absolute_paths_with_and_without_links(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    for start in ("real", "link"):
        assert path_in_root(f"{tmp_path}/{start}/a.jpg", tmp_path / "link") == "a.jpg"
