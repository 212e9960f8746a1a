import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from agegender.errors import AgeGenderError
from agegender.inference.faces import FaceDetector
from agegender.inference.run_model import labelled_crops, run_faces, run_model, training_crops
from agegender.runs.run_directory import RunDirectory


def test_faces_and_labels_of_a_split(trained_run: Path) -> None:
    directory = RunDirectory(trained_run)
    splits = {split: run_faces(directory, split) for split in ("train", "val", "test")}
    assert sum(map(len, splits.values())) == 60
    for face in splits["val"]:
        age, gender, *_ = face.file.name.split("_")
        assert (face.age_low, face.age_high, face.gender) == (float(age), float(age), float(gender))


def test_crops_are_spread_over_the_split(trained_run: Path) -> None:
    directory = RunDirectory(trained_run)
    assert len(training_crops(directory, 5, 32)) == 5
    images, ages, genders = labelled_crops(directory, "train", 1000, 32)
    assert images.shape == (len(run_faces(directory, "train")), 32, 32, 3) and images.dtype == np.uint8
    assert len(ages) == len(genders) == len(images)
    with pytest.raises(AgeGenderError, match="its none split has no faces"):
        labelled_crops(directory, "none", 5, 32)


def test_missing_faces_are_named(trained_run: Path, tmp_path: Path) -> None:
    shutil.copytree(trained_run, tmp_path / "run")
    config = (tmp_path / "run" / "config.yaml").read_text()
    root = str(run_faces(RunDirectory(trained_run), "train")[0].file.parent)
    (tmp_path / "run" / "config.yaml").write_text(config.replace(root, str(tmp_path / "moved")))
    with pytest.raises(AgeGenderError, match=r"a face of the run cannot be read: .*moved"):
        training_crops(RunDirectory(tmp_path / "run"), 5, 32)


@pytest.mark.parametrize("change", [{"data": 5}, {"data": {"sources": [1]}}, {"data": None}, {"backbone": None}])
def test_a_run_with_a_changed_configuration_names_its_file(
    change: dict[str, object], trained_run: Path, detector: FaceDetector, tmp_path: Path
) -> None:
    shutil.copytree(trained_run, tmp_path / "run")
    file = tmp_path / "run" / "config.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | change))
    with pytest.raises(AgeGenderError, match=re.escape(f"{file}: ")):
        run_model(tmp_path / "run", detector)


def test_a_checkpoint_alone(trained_run: Path, detector: object) -> None:
    checkpoint = trained_run / "checkpoints" / "best.ckpt"
    assert run_model(checkpoint).preprocess["face_place"] is None
    with pytest.raises(AgeGenderError, match="does not say how its training faces were cropped"):
        run_model(checkpoint, detector)
    with pytest.raises(AgeGenderError, match="device nowhere"):
        run_model(checkpoint, device="nowhere")
