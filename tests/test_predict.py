"""The command on files, folders and mistakes, with a run directory and with a bundle."""

import csv
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from agegender.inference.bundle import Bundle
from agegender.inference.faces import DetectedFace
from agegender.inference.predictor import Predictor
from agegender.predict import main


def command(*arguments: object, **options: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "agegender.predict", *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def failed(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as exit:
        main([*map(str, arguments)])
    assert exit.value.code == 2
    return capsys.readouterr().err


def test_prints_a_line_a_face_and_the_caveat(bundle: Path, faces: Path, tmp_path: Path) -> None:
    first, second = sorted(faces.glob("*.jpg"))[:2]
    odd = tmp_path / "photo(1) Müller, =x.jpg"  # names that other command lines reject
    odd.write_bytes(second.read_bytes())
    done = command(first, odd, "--model", bundle)
    out, err = done.communicate(timeout=120)
    assert done.returncode == 0, err
    lines = out.splitlines()
    assert [line.split("  ")[:2] for line in lines] == [[str(first), "face 1"], [str(odd), "face 1"]]
    assert all("age " in line and "probability female 0." in line for line in lines)
    assert "binary by appearance" in err and "not a person's age, gender or identity" in err
    assert "2 files are small and nearly square, so they were taken as cropped faces (see --detector)" in err


def test_run_and_bundle_write_the_same_table(trained_run: Path, bundle: Path, faces: Path, tmp_path: Path) -> None:
    for name, model in (("run", trained_run), ("bundle", bundle)):
        main([str(faces), "--model", str(model), "--output", str(tmp_path / f"{name}.csv")])
    one, two = table(tmp_path / "run.csv"), table(tmp_path / "bundle.csv")
    assert [row["path"] for row in one] == [row["path"] for row in two] == sorted(map(str, faces.glob("*.jpg")))
    np.testing.assert_allclose([float(row["age"]) for row in one], [float(row["age"]) for row in two], atol=2e-3)


def test_no_file_is_lost(bundle: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "good.jpg").write_bytes(next(faces.glob("*.jpg")).read_bytes())
    (folder / "cut.jpg").write_bytes((folder / "good.jpg").read_bytes()[:300])
    (folder / "text.png").write_text("no image")
    (folder / "notes.txt").touch()
    (folder / "others").symlink_to(faces)
    cv2.imwrite(str(folder / "photo.png"), np.zeros((700, 900, 3), np.uint8))
    main([str(folder), "--model", str(bundle), "--output", str(tmp_path / "p.csv")])
    rows = {Path(row["path"]).name: row for row in table(tmp_path / "p.csv")}
    assert set(rows) == {"good.jpg", "cut.jpg", "text.png", "photo.png"}
    assert rows["good.jpg"]["reason"] == "" and float(rows["good.jpg"]["age"]) >= 0
    assert rows["cut.jpg"]["reason"] == "truncated JPEG" and rows["cut.jpg"]["age"] == ""
    assert "not an image" in rows["text.png"]["reason"]
    assert "no face detector" in rows["photo.png"]["reason"]
    err = capsys.readouterr().err
    assert "4 files, written to" in err and "1 without an estimate: truncated JPEG" in err
    assert "1 other files in the folders have no suffix of an image" in err
    assert "1 links to other folders were not followed" in err
    assert "1 files are small and nearly square" in err


@pytest.mark.parametrize(
    ("more", "said"), [([], "interrupted\n"), (["--output", "p.csv"], "interrupted; the same command continues\n")]
)
def test_only_a_command_with_an_output_continues(
    more: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("agegender.predict.predict", interrupted)
    with pytest.raises(SystemExit) as exit:
        main(["x.jpg", *more])
    assert (exit.value.code, capsys.readouterr().err) == (130, said)


def test_an_interrupted_command_continues(
    bundle: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    data = next(faces.glob("*.jpg")).read_bytes()
    for number in range(400):
        (folder / f"{number:03}.jpg").write_bytes(data)
    os.mkfifo(folder / "wait.jpg")  # listed, refused when it is opened
    arguments = (folder, "--model", bundle, "--output", tmp_path / "p.csv", "--batch-size", 1)
    running, partial = command(*arguments), tmp_path / ".p.csv.partial"
    while not partial.exists() or partial.read_bytes().count(b"\n") < 20:
        assert running.poll() is None, running.communicate()
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=120)
    if running.returncode == 0:
        pytest.skip("the command was finished before the signal came")
    assert running.returncode == 130 and "continues" in err and "Traceback" not in err
    assert not (tmp_path / "p.csv").exists()
    other = tmp_path / "other"
    other.mkdir()
    (other / "000.jpg").write_bytes(data)
    assert "belongs to an interrupted command with other photos" in failed(capsys, other, *arguments[1:])
    again = command(*arguments)
    _, err = again.communicate(timeout=120)
    assert again.returncode == 0 and "continues: " in err
    assert [Path(row["path"]).name for row in table(tmp_path / "p.csv")] == sorted(path.name for path in folder.iterdir())


def test_annotated_photos_keep_the_folders_and_no_photo_is_overwritten(
    bundle: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, data = tmp_path / "photos", next(faces.glob("*.jpg")).read_bytes()
    for name in ("a/x.jpg", "b/x.jpg"):
        (photos / name).parent.mkdir(parents=True)
        (photos / name).write_bytes(data)
    command = ["--model", bundle, "--annotate"]
    main([*map(str, [photos, *command, tmp_path / "out"])])
    assert {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.jpg")} == {
        "a/x.jpg",
        "b/x.jpg",
    }
    for path, folder in ((photos, photos), (photos / "a" / "x.jpg", photos), (photos, photos / "new")):
        assert "choose another folder, so that no photo is overwritten" in failed(capsys, path, *command, folder)
    assert [path.read_bytes() for path in photos.rglob("*.jpg")] == [data] * 2


def test_an_age_gate_gives_a_verdict_for_each_face_and_its_error_rates(
    bundle: Path, trained_run: Path, faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    face = next(faces.glob("*.jpg"))
    for model in (bundle, trained_run):
        main([str(face), "--model", str(model), "--age-gate", "18", "--challenge", "30"])
        out, err = capsys.readouterr()
        age = float(re.search(r"age ([\d.]+)", out)[1])
        assert ("  passes (" if age >= 30 else "  proof of age needed (") in out
        assert "passes if its estimated age is at least 30 years" in err and "test faces under 18" in err
        assert "does not suffice where the law asks for age verification" in err
    main([str(face), "--model", str(bundle), "--age-gate", "18", "--output", str(tmp_path / "p.csv")])
    assert table(tmp_path / "p.csv")[0]["verdict"] in ("passes", "proof of age needed")


def test_a_terminal_sees_how_many_files_are_done(
    bundle: Path, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    main([str(faces), "--model", str(bundle), "--output", str(tmp_path / "p.csv")])
    shown = capsys.readouterr().err
    assert [line for line in re.findall(r"\r(\d+ of 60 files)", shown)] == [f"{done} of 60 files" for done in range(10, 61, 10)]


class WhiteSquares:
    """A detector that finds white squares."""

    def __call__(self, image: np.ndarray) -> list[DetectedFace]:
        _, _, boxes, _ = cv2.connectedComponentsWithStats((image.min(axis=2) > 200).astype(np.uint8))
        return [DetectedFace((x, y, x + w, y + h), 0.9) for x, y, w, h, area in boxes[1:].astype(float).tolist() if area > 50]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Two faces: one moves from left to right for 3 seconds, the other one is there in the last second."""
    pytest.importorskip("av", reason="PyAV is not installed (pip install 'agegender[video]')")
    from agegender.inference.video import Frame, VideoWriter

    writer = VideoWriter(tmp_path / "video.mp4", Fraction(10))
    for number in range(30):
        frame = np.zeros((120, 320, 3), np.uint8)
        frame[10:50, 4 * number : 4 * number + 40] = 255
        if number >= 20:
            frame[70:110, 200:240] = 255
        writer.write(Frame(number / 10, frame))
    writer.close()
    return tmp_path / "video.mp4"


def predict_video(monkeypatch: pytest.MonkeyPatch, bundle: Path, *arguments: object) -> None:
    model = Bundle(bundle)
    model.preprocess["face_place"] = {"box": [0.1, 0.1, 0.9, 0.9], "landmarks": None, "faces": 1, "images": 1}
    monkeypatch.setattr("agegender.predict.load_predictor", lambda options: Predictor(model, WhiteSquares()))
    main([*map(str, arguments)])


def test_a_video_has_one_estimate_for_each_face_boxes_and_anonymous_counts(
    bundle: Path, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from agegender.inference.video import VideoReader

    out, summary = tmp_path / "new" / "out.mp4", tmp_path / "counts" / "summary.csv"
    options = ["--annotate", out, "--summary", summary, "--least", 1, "--window", 2, "--every", 2]
    predict_video(monkeypatch, bundle, video, *options)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[1:3] for line in lines] == [["face 1", "0.0 to 2.8 s"], ["face 2", "2.0 to 2.8 s"]]
    assert all(re.search(r"  age [\d.]+ .*probability female", line) for line in lines)
    assert [(row["from_second"], row["tracks"]) for row in table(summary)] == [("0", "1"), ("2", "1")]
    with VideoReader(video) as before, VideoReader(out) as after:
        frames = list(zip(before, after, strict=True))
    assert len(frames) == 30
    for old, new in frames:
        assert old.time == pytest.approx(new.time, abs=1e-3)
        assert (np.abs(old.pixels.astype(int) - new.pixels) > 100).any()  # a box and a text
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {"video.mp4", "new/out.mp4", "counts/summary.csv"}


def test_of_a_damaged_video_the_beginning_is_predicted(
    bundle: Path, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def cut_off(reader: object) -> Iterator[object]:
        frames = iterate(reader)
        yield from (next(frames) for _ in range(9))
        raise VideoError("video.mp4: damaged after 0.9 seconds: Invalid data")

    from agegender.inference.video import VideoError, VideoReader

    iterate = VideoReader.__iter__
    monkeypatch.setattr(VideoReader, "__iter__", cut_off)
    predict_video(monkeypatch, bundle, video, "--annotate", tmp_path / "out.mp4")
    out, err = capsys.readouterr()
    assert "face 1  0.0 to 0.8 s" in out and "damaged after 0.9 seconds: Invalid data; what was before is predicted" in err
    monkeypatch.undo()
    with VideoReader(tmp_path / "out.mp4") as reader:
        assert len(list(reader)) == 9


def test_mistakes_about_videos_are_one_line(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model = ["--model", bundle]
    assert "a video is predicted alone" in failed(capsys, "a.mp4", "b.jpg", *model)
    assert "a video is predicted alone" in failed(capsys, "a.mp4", "--output", "p.csv", *model)
    assert "--every: only for a video" in failed(capsys, "b.jpg", "--every", "2", *model)
    assert "a.mp4: a video needs a face detector" in failed(capsys, "a.mp4", *model)
    (tmp_path / "a.mp4").write_bytes(b"a video")
    assert "is the video that is read" in failed(capsys, tmp_path / "a.mp4", "--annotate", tmp_path / "a.mp4", *model)
    assert "the name must end in .avi, .m4v, " in failed(capsys, "a.mp4", "--annotate", "folder", *model)
    assert "--summary a.mp4: the name must end in .csv" in failed(capsys, "a.mp4", "--summary", "a.mp4", *model)
    below = tmp_path / "a.mp4" / "s.csv"
    assert f"--summary {below}: cannot be written: " in failed(capsys, tmp_path / "a.mp4", "--summary", below, *model)


def test_real_faces_in_a_photo(shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted((shared / "data" / "utkface").glob("2[0-9]_*.jpg"))[:600:300]
    photo = np.full((500, 900, 3), 120, np.uint8)
    for number, file in enumerate(files):
        photo[150:350, 100 + 400 * number : 300 + 400 * number] = cv2.imread(str(file))
    cv2.imwrite(str(tmp_path / "photo.jpg"), photo)
    weights = ["--detector-weights", str(shared / "weights" / "face_detection_yunet.onnx")]
    main([str(tmp_path / "photo.jpg"), *map(str, files), *weights, "--output", str(tmp_path / "p.csv")])
    rows = table(tmp_path / "p.csv")
    found, crops = rows[:2], rows[2:]
    assert [row["face"] for row in found] == ["1", "2"] and all(float(row["detector_score"]) > 0.7 for row in found)
    for row in found:
        x0, y0, x1, y1 = map(float, row["box"].split())
        place = int(x0 > 450)
        assert 100 + 400 * place < (x0 + x1) / 2 < 300 + 400 * place and 150 < (y0 + y1) / 2 < 350
        assert float(row["age"]) == pytest.approx(float(crops[place]["age"]), abs=5)
    assert all(row["box"] == "" for row in crops) and "2 files are small and nearly square" in capsys.readouterr().err


def test_a_run_of_drawn_faces_has_no_margin_for_real_ones(
    shared: Path, trained_run: Path, faces: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = shared / "weights" / "face_detection_yunet.onnx"
    error = failed(capsys, next(faces.glob("*.jpg")), "--model", trained_run, "--detector-weights", weights)
    assert "finds a face in 0 of" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.jpg"], "none.jpg: there is no such file or folder"),
        (["."], "no image file in ."),
        (["x.jpg", "--output", "p.xls"], "the name must end in .csv, .parquet, .jsonl"),
        (["x.jpg", "--model", "."], ".: neither a run directory"),
        (["x.jpg", "--detector", "yunet"], "--detector yunet needs its model file"),
        (["x.jpg", "--detector-weights", "x.jpg"], "OpenCV cannot read them as a YuNet model"),
        (["x.jpg", "--batch-size", "0"], "expected an integer of at least 1"),
        (["x.jpg", "--age-gate", "16"], "error rates were measured for the legal ages 18, 21 only"),
        (["x.jpg", "--age-gate", "18", "--challenge", "17"], "error rates were measured for 18 to 43 years only"),
        (["x.jpg", "--age-gate", "18", "--flip"], "not with --flip"),
        (["x.jpg", "--challenge", "25"], "only with --age-gate"),
        (["x.jpg", "--device", "cuda"], "a bundle runs on the CPU only"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str],
    message: str,
    bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    if arguments[0] == "x.jpg":
        Path("x.jpg").write_text("no image")
    model = [] if "--model" in arguments else ["--model", str(bundle)]
    assert message in failed(capsys, *arguments, *model)


def test_the_released_model_needs_no_option(faces: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([str(next(faces.glob("*.jpg")))])
    assert "probability female" in capsys.readouterr().out


def test_predictor_is_imported_when_it_is_used() -> None:
    code = (
        "import sys, agegender; assert 'numpy' not in sys.modules; from agegender import Predictor; "
        "assert Predictor.load; assert 'torch' not in sys.modules; print(agegender.Predictor.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "Predictor\n", done.stderr
    import agegender

    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        agegender.Nothing  # noqa: B018


def test_the_pipe_may_close(bundle: Path, faces: Path, make_utkface: Callable[..., Path]) -> None:
    running = command(faces, "--model", bundle)
    assert running.stdout is not None
    running.stdout.readline()
    running.stdout.close()
    assert "Traceback" not in running.stderr.read()
