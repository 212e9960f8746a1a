import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from agegender.errors import AgeGenderError
from agegender.sources import images
from agegender.sources.toyfaces.source import ToyFaces

PROJECT = Path(__file__).parents[3]


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def start(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code], text=True, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_drawn_faces_are_read_with_their_labels(tmp_path, capfd):
    source = ToyFaces(str(tmp_path), n=150, size=48, seed=3)
    table = source.read()
    assert len(table) == 150 and table.skipped == [] and table.roots == {"toyfaces": source.root}
    assert set(table.frame["dataset"]) == {"toyfaces"} and set(table.frame["race"]) == {"Others"}
    assert (table.frame["age_low"] == table.frame["age_high"]).all()
    assert table.frame["age_low"].between(0, 100).all() and table.frame["age_low"].std() > 15
    assert 0.35 < table.frame["gender"].mean() < 0.65
    for file in table.files():
        assert file.name.endswith(".jpg.chip.jpg")
        assert images.read(file).shape == (48, 48, 3)
    assert "say nothing about real faces" in table.notes[-1] and "say nothing about real faces" in source.license
    assert capfd.readouterr() == ("", ""), "a progress bar is shown without a terminal"


def test_files_depend_on_the_seed_and_not_on_n_or_threads(tmp_path):
    ToyFaces(str(tmp_path / "a"), n=30, seed=5).read()
    threads = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        ToyFaces(str(tmp_path / "b"), n=20, seed=5).read()
    finally:
        cv2.setNumThreads(threads)
    ToyFaces(str(tmp_path / "c"), n=20, seed=6).read()
    first, again, other = (contents(next((tmp_path / name).glob("toyfaces-*"))) for name in "abc")
    assert len(again) == 20 and again.items() <= first.items()
    assert not set(first.values()) & set(other.values()) and len(set(first.values())) == 30


def test_existing_faces_are_not_drawn_again(tmp_path):
    source = ToyFaces(str(tmp_path), n=5)
    before = source.read()
    times = {file: file.stat().st_mtime_ns for file in before.files()}
    after = ToyFaces(str(tmp_path), n=5).read()
    assert after.frame.equals(before.frame)
    assert times == {file: file.stat().st_mtime_ns for file in after.files()}


def test_each_set_of_arguments_has_its_own_folder(tmp_path):
    changed = [{}, {"n": 6}, {"size": 40}, {"seed": 1}]
    assert len({ToyFaces(str(tmp_path), **{"n": 5, **arguments}).root for arguments in changed}) == 4


def test_drawing_restarts_after_a_killed_process(tmp_path):
    slow = start(
        "import time; from agegender.sources.toyfaces import source as t; draw = t.draw\n"
        "t.draw = lambda *a: (time.sleep(0.02), draw(*a))[1]\n"
        f"t.ToyFaces({str(tmp_path)!r}, n=500, size=32).read()"
    )
    source = ToyFaces(str(tmp_path), n=500, size=32)
    while slow.poll() is None and len(list(tmp_path.glob(".*.partial/*"))) < 5:
        time.sleep(0.01)
    slow.kill()
    slow.communicate()
    assert slow.returncode == -9 and not source.root.exists() and list(tmp_path.glob(".*.partial/*"))
    assert len(source.read()) == 500
    assert not list(tmp_path.glob(".*.partial"))


def test_a_failed_drawing_leaves_no_folder(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    source = ToyFaces(str(tmp_path), n=3)
    monkeypatch.setattr("agegender.sources.toyfaces.source.draw", full)
    with pytest.raises(AgeGenderError, match=r"No space left on device.*data\.root"):
        source.read()
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_concurrent_processes_draw_one_set(tmp_path):
    source = f"ToyFaces({str(tmp_path)!r}, n=200, size=32)"
    code = f"from agegender.sources.toyfaces.source import ToyFaces; print(len({source}.read()))"
    processes = [start(code) for _ in range(3)]
    outputs = [process.communicate() for process in processes]
    assert [output for output, _ in outputs] == ["200\n"] * 3, outputs
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 1


def test_missing_faces_are_an_error(tmp_path):
    source = ToyFaces(str(tmp_path), n=4)
    source.read().files()[0].unlink()
    with pytest.raises(AgeGenderError, match="has 3 faces, expected 4: delete the folder"):
        source.read()


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AgeGenderError, match=r"cannot be written.*data\.root"):
        ToyFaces(str(tmp_path / "file" / "faces"), n=3).read()


@pytest.mark.parametrize("arguments", [{"n": 0}, {"size": 16}, {"size": 5000}, {"seed": -1}])
def test_arguments_out_of_range_are_errors(arguments):
    (name,) = arguments
    with pytest.raises(AgeGenderError, match=rf"toyfaces\.{name}=.* must be from "):
        ToyFaces(**arguments)


def test_the_default_folder_follows_the_environment_variables(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("AGEGENDER_CACHE", raising=False)
    assert ToyFaces().root.parent == tmp_path / ".cache" / "agegender"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert ToyFaces().root.parent == tmp_path / "x" / "agegender"
    monkeypatch.setenv("AGEGENDER_CACHE", str(tmp_path / "own"))
    assert ToyFaces().root.parent == tmp_path / "own"
    assert not os.listdir(tmp_path), "the constructor must not create the folder"


def test_the_configuration_has_the_constructor_arguments():
    config = yaml.safe_load((PROJECT / "conf" / "data" / "toyfaces.yaml").read_text())
    arguments = dict(config["sources"]["toyfaces"])
    assert arguments.pop("_target_") == f"{ToyFaces.__module__}.{ToyFaces.__qualname__}"
    assert arguments.pop("root") == "${data.root}" and config["root"] is None
    assert ToyFaces(**arguments).n == arguments["n"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Float images [1500, 48, 48, 3] from 0 to 1, ages in years, and genders."""
    table = ToyFaces(str(tmp_path_factory.mktemp("toyfaces")), n=1500, size=48, seed=1).read()
    pixels = np.stack([images.read(file) for file in table.files()]) / 255.0
    shuffled = np.random.default_rng(0).permutation(len(pixels))
    ages, genders = table.frame["age_low"].to_numpy(float), table.frame["gender"].to_numpy(float)
    return pixels[shuffled], ages[shuffled], genders[shuffled]


def linear(features: np.ndarray, target: np.ndarray, penalty: float) -> np.ndarray:
    """Predictions of ridge regression for the last third of the faces, trained on the other two thirds."""
    known = len(features) * 2 // 3
    x, y = features[:known] - features[:known].mean(0), target[:known] - target[:known].mean()
    weights = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)
    return (features[known:] - features[:known].mean(0)) @ weights + target[:known].mean()


def skill(features: np.ndarray, ages: np.ndarray, genders: np.ndarray, penalty: float = 1e-3) -> tuple[float, float]:
    """MAE of the median age divided by the MAE of ridge regression, and the gender accuracy."""
    known = len(features) * 2 // 3
    error = np.abs(linear(features, ages, penalty) - ages[known:]).mean()
    baseline = np.abs(np.median(ages[:known]) - ages[known:]).mean()
    right = (linear(features, genders, penalty) > 0.5) == (genders[known:] > 0.5)
    return baseline / error, right.mean()


def test_mean_colour_and_single_pixels_do_not_predict_the_labels(drawn):
    pixels, ages, genders = drawn
    age, gender = skill(pixels.mean((1, 2)), ages, genders)
    assert age < 1.1 and gender < 0.62
    grid = [skill(pixels[:, y, x], ages, genders) for y in range(1, 48, 4) for x in range(1, 48, 4)]
    assert max(age for age, _ in grid) < 1.25
    assert max(gender for _, gender in grid) < 0.68


def edges(image: np.ndarray) -> np.ndarray:
    """Strength of the edges in eight directions in each of 8 x 8 cells."""
    grey = image.mean(2)
    across, down = cv2.Sobel(grey, -1, 1, 0), cv2.Sobel(grey, -1, 0, 1)
    direction = ((np.arctan2(down, across) / (2 * np.pi) + 0.5) * 8).astype(int) % 8
    strength = np.hypot(across, down)[:, :, None] * (direction[:, :, None] == np.arange(8))
    cells = np.sqrt(cv2.resize(strength, (8, 8), interpolation=cv2.INTER_AREA)).ravel()
    return cells / np.linalg.norm(cells)


def test_edges_predict_age_and_gender(drawn):
    pixels, ages, genders = drawn
    age, gender = skill(np.stack([edges(image) for image in pixels]), ages, genders, penalty=0.3)
    assert age > 1.5 and gender > 0.83


def test_without_draw_a_missing_set_in_a_folder_is_an_error_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(AgeGenderError, match=r"data\.root=.*: the toy faces toyfaces-v\d+-n3-size32-seed0 are not there"):
        ToyFaces(tmp_path / "faces", n=3, size=32, draw=False).read()
    assert not (tmp_path / "faces").exists()
    ToyFaces(tmp_path / "faces", n=3, size=32).read()
    assert len(ToyFaces(tmp_path / "faces", n=3, size=32, draw=False).read()) == 3
