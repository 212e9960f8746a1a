"""Faces in boxes of larger pictures give the pixels and metrics of the faces alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from agegender.configuration.command import compose
from agegender.configuration.evaluation import evaluated
from agegender.data.assemble import assemble
from agegender.data.cache import DecodedImages
from agegender.data.datamodule import FaceDataModule
from agegender.data.table import read_faces
from agegender.evaluate import evaluate
from agegender.inference.run_model import training_crops
from agegender.runs.run_directory import RunDirectory
from agegender.sources.images import read
from agegender.train import train

COLUMNS = ("img_name", "age", "gender", "face_x0", "face_y0", "face_x1", "face_y1")


@pytest.fixture(scope="module")
def scenes(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two faces in each of thirty pictures, without loss, and a file of their boxes in the format of MiVOLO."""
    root = tmp_path_factory.mktemp("scenes")
    generator, rows = np.random.default_rng(5), []
    chips = sorted(faces.iterdir())
    for number in range(0, len(chips), 2):
        scene = generator.integers(0, 256, (90, 120, 3), dtype=np.uint8)
        for place, chip in enumerate(chips[number : number + 2]):
            x, y = int(generator.integers(0, 36)) + 60 * place, int(generator.integers(0, 66))
            scene[y : y + 24, x : x + 24] = read(chip)
            age, gender, *_ = chip.name.split("_")
            rows.append((f"{number:02}.png", age, "MF"[int(gender)], x, y, x + 24, y + 24))
        Image.fromarray(scene).save(root / f"{number:02}.png")
    pd.DataFrame(rows, columns=COLUMNS).to_csv(root / "faces.csv", index=False)
    return root


def loaded(config: dict[str, Any]) -> FaceDataModule:
    data = assemble(config)
    data.prepare_data()
    data.setup()
    return data


@pytest.mark.parametrize("cache", ["disk", "none"])
def test_a_face_in_a_box_has_the_pixels_of_the_face_alone(
    cache: str, configure: Callable[..., dict[str, Any]], scenes: Path, faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = loaded(configure("data=mivolo_csv", f"data.root={scenes}", "data.csv=faces.csv", f"loader.cache={cache}"))
    assert len(data.table) == 60 and data.table.frame["sha256"].nunique() == 60
    assert data.table.frame.groupby("file")["split"].nunique().max() == 1
    chips = DecodedImages(sorted(faces.iterdir()), 16)[np.arange(60)]
    assert data._images is not None
    found = data._images[data.table.frame["row"].to_numpy()]
    difference = np.abs(found.astype(int) - chips[data.table.frame["row"].to_numpy()])
    assert difference.mean() < 2


def test_a_picture_is_decoded_once(
    configure: Callable[..., dict[str, Any]], scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from agegender.data import cache, scan

    counts = {"scan": 0, "cache": 0}
    decode = cache.decode

    def counted(name: str) -> Callable[[bytes], np.ndarray]:
        def count(data: bytes) -> np.ndarray:
            counts[name] += 1
            return decode(data)

        return count

    monkeypatch.setattr(cache, "decode", counted("cache"))
    monkeypatch.setattr(scan.images, "decode", counted("scan"))
    box = ("data=mivolo_csv", f"data.root={scenes}", "data.csv=faces.csv", f"loader.cache_dir={tmp_path}")
    loaded(configure(*box))
    assert counts == {"scan": 30, "cache": 30}
    loaded(configure(*box, "data.crop_scale=1.5"))
    assert counts == {"scan": 30, "cache": 60}  # stored results of the scan are of the boxes, not of the crop


def test_a_run_on_boxes_is_measured_evaluated_and_drawn(
    configure: Callable[..., dict[str, Any]], scenes: Path, tmp_path: Path
) -> None:
    run = RunDirectory(tmp_path / "run")
    train(configure("data=mivolo_csv", f"data.root={scenes}", "data.csv=faces.csv", "trainer.max_epochs=1"), run)
    assert run.faces_picture.exists()
    assert all(crop.shape == (16, 16, 3) and crop.std() > 0 for crop in training_crops(run, 9, 16))
    assert evaluate(run, run.read_config(), "test")["test"] == run.read_metrics()["test"]
    predictions = run.read_predictions()
    assert predictions is not None
    assert (predictions["path"] == predictions["file"] + "#" + predictions["box"]).all()


def test_a_csv_of_ones_own_with_boxes_has_the_same_faces(
    configure: Callable[..., dict[str, Any]], scenes: Path, tmp_path: Path
) -> None:
    rows = pd.read_csv(scenes / "faces.csv").rename(columns={"img_name": "path", "face_x0": "left", "face_y0": "y0"})
    rows = rows.rename(columns={"face_x1": "x1", "face_y1": "y1"})
    rows.to_csv(tmp_path / "own.csv", index=False)
    own = configure("data=folder", f"data.root={scenes}", f"data.csv={tmp_path / 'own.csv'}", "data.columns.x0=left")
    expected = configure("data=mivolo_csv", f"data.root={scenes}", "data.csv=faces.csv")
    columns = ["path", "file", "box", "age_low", "gender", "sha256", "phash"]
    found, known = (loaded(config).table.frame[columns].sort_values("path", ignore_index=True) for config in (own, expected))
    pd.testing.assert_frame_equal(found, known)


def test_boxes_outside_their_picture_are_skipped_and_those_partly_outside_are_not(
    configure: Callable[..., dict[str, Any]], scenes: Path, tmp_path: Path
) -> None:
    rows = pd.read_csv(scenes / "faces.csv")
    rows.loc[0, ["face_x0", "face_x1"]] = 120, 150
    rows.loc[1, ["face_x0", "face_x1"]] = 110, 134
    rows.to_csv(tmp_path / "faces.csv", index=False)
    config = configure("data=mivolo_csv", f"data.root={scenes}", f"data.csv={tmp_path / 'faces.csv'}")
    data = loaded(config)
    assert len(data.table) == 59
    (skipped,) = [one for one in data.table.skipped if "outside" in one.reason]
    assert skipped.reason.startswith("box is outside its image: 120 ") and skipped.path.startswith("mivolo_csv/00.png#120 ")


def test_near_copies_are_found_by_the_face_and_not_by_the_picture(
    configure: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    generator = np.random.default_rng(2)

    def smooth(side: int) -> np.ndarray:
        return cv2.resize(generator.integers(0, 256, (6, 6, 3), dtype=np.uint8), (side, side), interpolation=cv2.INTER_CUBIC)

    face, rows = smooth(60), []
    for name, x, y in (("a.png", 10, 20), ("b.png", 90, 5)):
        scene = smooth(200)
        scene[y : y + 60, x : x + 60] = face
        Image.fromarray(scene).save(tmp_path / name)
        rows += [(name, 30, "F", x, y, x + 60, y + 60), (name, 40, "M", 60, 110, 140, 190)]
    pd.DataFrame(rows, columns=COLUMNS).to_csv(tmp_path / "faces.csv", index=False)
    data = ["data=mivolo_csv", f"data.root={tmp_path}", "data.csv=faces.csv"]
    sources = assemble(configure(*data)).sources
    near, none = (read_faces(sources, None, False, threshold).frame for threshold in (32, None))
    assert none["group"].nunique() == 2 and near["group"].nunique() == 1  # a picture each; one face joins the pictures
    hashes = np.array([list(bytes.fromhex(text)) for text in near["phash"]], dtype=np.uint8)
    bits = [np.bitwise_count(hashes[i] ^ hashes[j]).sum() for i, j in ((0, 2), (1, 3), (0, 1))]
    assert bits[0] <= 32 < min(bits[1:])


def test_the_crop_curve_finds_the_scale_of_boxes_that_are_too_large(
    configure: Callable[..., dict[str, Any]],
    make_utkface: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """At half the scale of boxes that are twice as large as the faces, the metrics are those of the faces alone."""
    run = RunDirectory(tmp_path / "run")
    train(configure("image_size=24", "trainer.max_epochs=10", "optimizer.lr=0.01"), run)  # the size of a face: no resampling
    chips = sorted(make_utkface(tmp_path / "chips", 30, seed=9).iterdir())
    generator, rows = np.random.default_rng(6), []
    for number, chip in enumerate(chips):
        scene = generator.integers(0, 256, (90, 90, 3), dtype=np.uint8)
        x, y = generator.integers(13, 53, 2).tolist()
        scene[y : y + 24, x : x + 24] = read(chip)
        age, gender, *_ = chip.name.split("_")
        rows.append((f"{number}.png", age, "MF"[int(gender)], x - 12, y - 12, x + 36, y + 36))
        Image.fromarray(scene).save(tmp_path / f"{number}.png")
    pd.DataFrame(rows, columns=COLUMNS).to_csv(tmp_path / "faces.csv", index=False)

    def evaluated_on(*data: str, **options: Any) -> dict[str, Any]:
        config = compose([f"checkpoint={run.path}", *data, "split=all_test"], "evaluate")
        return evaluate(run, evaluated(run.read_config(), config), "test", others=True, report="none", **options)

    boxes = evaluated_on("data=mivolo_csv", f"data.root={tmp_path}", "data.csv=faces.csv", crop_curve=True)
    assert "mivolo_csv has boxes; the model was trained on whole images" in "".join(capsys.readouterr())
    curve = boxes["crop_curve"]["mivolo_csv"]
    (out,) = map(RunDirectory, run.evaluation("test").path.parent.iterdir())
    split = pd.read_csv(out.split)
    held_out = [int(path.partition(".")[0]) for path in split["path"][split["split"] == "val"]]
    assert (boxes["test"]["n"], curve["n"], curve["used"]) == (24, len(held_out), 1) and len(held_out) == 6
    assert "a fifth of test of mivolo_csv held out" in boxes["split"]["name"]
    assert pd.read_csv(out.crop_curve)["age_mae"].tolist() == curve["values"]["age_mae"]

    for number in set(range(30)) - set(held_out):
        chips[number].unlink()
    alone = evaluated_on("data=utkface", f"data.root={tmp_path / 'chips'}")["test"]
    at_half = {key: values[curve["scales"].index(0.5)] for key, values in curve["values"].items()}
    assert at_half["age_mae"] == pytest.approx(alone["age_mae"], rel=1e-3)
    assert at_half["gender_accuracy"] == alone["gender_accuracy"]
    assert curve["values"]["age_mae"][curve["scales"].index(1)] != pytest.approx(alone["age_mae"], rel=0.03)


def test_the_fifth_of_the_runs_own_faces_is_not_tested_where_they_have_no_validation_split(
    configure: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    run = RunDirectory(tmp_path / "run")
    train(
        configure("trainer.max_epochs=1", "split.fractions=[0.5,0,0.5]", "trainer.limit_val_batches=0", "monitor=train/loss"),
        run,
    )
    tested = run.read_metrics()["test"]["n"]
    metrics = evaluate(run, run.read_config(), "test", report="none", crop_curve=4)
    assert metrics["crop_curve"]["utkface"]["n"] == 4
    assert metrics["test"]["n"] == round(0.8 * tested) and run.evaluation("test-held-out").metrics.exists()
