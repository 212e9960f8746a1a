"""Pictures of a test: panels for exact ages, labelled ranges and confusion matrices, and faces with captions."""

import re
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from agegender.evaluation import plots
from agegender.evaluation.plots import draw_faces, draw_predictions, draw_test
from agegender.evaluation.results import split_metrics
from agegender.runs.run_directory import RunDirectory


def predictions(count: int = 40, **columns: object) -> pd.DataFrame:
    low = np.linspace(5, 90, count).round()
    return pd.DataFrame({
        "path": [f"{i}.png" for i in range(count)], "dataset": "faces", "age_low": low, "age_high": low, "age_pred": low + 3,
        "gender": pd.array(np.arange(count) % 2, dtype="Int8"), "probability_female": np.arange(count) % 2 * 0.8 + 0.1,
        "race": pd.array([None] * count, dtype="string"),
    }).assign(**columns)  # fmt: skip


@pytest.fixture
def titles(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The titles of all drawn panels, in order."""
    found: list[str] = []
    save = plots.Figure.savefig

    def saving(figure: object, *arguments: object, **options: object) -> None:
        found.extend(axes.get_title() for axes in figure.axes)  # type: ignore[attr-defined]
        save(figure, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(plots.Figure, "savefig", saving)
    return found


def test_a_panel_for_ages_and_each_confusion_matrix(tmp_path: Path, titles: list[str]) -> None:
    frame = predictions()
    draw_predictions(frame, split_metrics(frame, 0, [0, 26, 51, 76]), tmp_path / "all.png")
    assert titles == ["40 faces", "age, nine ranges (40 faces)", "age, classes of the head (40 faces)",
                      "gender, by appearance (40 faces)"]  # fmt: skip
    image = cv2.imread(str(tmp_path / "all.png"))
    assert image.shape[1] == pytest.approx(4 * 5.5 * 120, abs=2)


def test_a_panel_without_labels_is_left_out(tmp_path: Path, titles: list[str]) -> None:
    frame = predictions(age_low=[float("nan")] * 20 + [20.0] * 20, age_high=[float("nan")] * 20 + [29.0] * 20)
    frame["gender"] = pd.array([None] * 40, dtype="Int8")
    draw_predictions(frame, split_metrics(frame, 0), tmp_path / "some.png")
    assert titles == ["20 faces", "age, nine ranges (20 faces)"]


def test_without_any_label_nothing_is_drawn(tmp_path: Path) -> None:
    frame = predictions().drop(columns="age_pred").assign(gender=pd.array([None] * 40, dtype="Int8"))
    draw_predictions(frame, split_metrics(frame, 0), tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_each_face_has_a_caption_with_prediction_and_label(tmp_path: Path, titles: list[str]) -> None:
    for i in range(40):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((400, 200, 3), (0, 255, 0), np.uint8))
    frame = predictions(age_high=[95.0] * 40)
    draw_faces(frame, {"faces": tmp_path}, tmp_path / "faces.png", number=9)
    shown = [title for title in titles if title]
    assert len(shown) == 9
    for title in shown:
        found = re.fullmatch(r"(\d+)\.0 \((\d+)-95\)\n(male|female) 90% \(\3\)", title)
        assert found and int(found[1]) == int(found[2]) + 3, title
    green = (cv2.imread(str(tmp_path / "faces.png")) == (0, 255, 0)).all(axis=2)
    assert green.any(axis=0).sum() > 300


def test_a_missing_image_is_named_and_the_other_picture_is_drawn(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    frame = predictions(4)
    draw_test(frame, split_metrics(frame, 0), {"faces": tmp_path}, RunDirectory(tmp_path))
    assert (tmp_path / "predictions.png").exists()
    assert not (tmp_path / "faces.png").exists()
    assert "faces.png is not drawn" in caplog.text and ".png" in caplog.text


def test_suspicious_faces_are_drawn_in_the_order_of_the_list(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    files = sorted(faces.iterdir())[:5]
    some = pd.DataFrame({
        "dataset": "d", "path": [file.name for file in files], "age_low": 20.0, "age_high": 20.0,
        "gender": pd.array([0] * 5, dtype="Int8"), "age_pred": 70.0, "probability_female": 0.9,
    })  # fmt: skip
    run, read = RunDirectory(tmp_path), []
    monkeypatch.setattr(
        plots, "read_face", lambda root, face: read.append(face["path"]) or cv2.imread(str(root / face["path"]))
    )
    names = [f"d/{files[3].name}", f"d/{files[0].name}"]
    plots.draw_suspicious(some, names, {"d": faces}, run)
    assert read == [files[3].name, files[0].name] and run.suspicious_picture.exists()
    monkeypatch.undo()
    plots.draw_suspicious(some, names, {"d": tmp_path}, run)
    assert "suspicious.png is not drawn" in caplog.text
