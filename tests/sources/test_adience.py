"""Adience, with small copies of its fold files that include their known errors."""

from pathlib import Path

import pandas as pd
import pytest

from agegender.configuration.build import build
from agegender.configuration.renamed import current
from agegender.data.folds import Folds
from agegender.data.splits import RandomSplit
from agegender.errors import AgeGenderError
from agegender.sources.adience import Adience

HEADER = "user_id\toriginal_image\tface_id\tage\tgender\tx\ty\tdx\tdy\ttilt_ang\tfiducial_yaw_angle\tfiducial_score"
ROWS = {
    0: [
        ("30601258@N03", "10399646885_67c7d20df9_o.jpg", 1, "(25, 32)", "f"),
        ("30601258@N03", "10424815813_e94_o.jpg", 2, "35", "m"),
    ],
    1: [("7153718@N04", "9733_o.jpg", 3, "(60, 100)", "u"), ("7153718@N04", "9734_o.jpg", 3, "None", "m")],
    2: [("64504106@N06", "1_o.jpg", 4, "(8, 12)", "")],
    3: [("9999@N00", "2_o.jpg", 5, "(0, 2)", "f"), ("9999@N00", "2_o.jpg", 6, "(8, 23)", "f")],
    4: [("1234@N01", "3_o.jpg", 7, "None", "u"), ("1234@N01", "4_o.jpg", 8, "(4, 6)", "m")],
}


@pytest.fixture
def release(tmp_path: Path) -> Path:
    for fold, rows in ROWS.items():
        lines = [HEADER]
        for user, image, face, age, gender in rows:
            lines.append("\t".join([user, image, str(face), age, gender, "0", "0", "9", "9", "115", "30", "17"]))
            for folder, prefix in (("aligned", "landmark_aligned_face"), ("faces", "coarse_tilt_aligned_face")):
                file = tmp_path / folder / user / f"{prefix}.{face}.{image}"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch()
        (tmp_path / f"fold_{fold}_data.txt").write_text("\n".join(lines) + "\n")
        (tmp_path / f"fold_frontal_{fold}_data.txt").write_text("another evaluation\n")
    return tmp_path


def labels(frame: pd.DataFrame) -> dict[str, tuple]:
    columns = frame[["age_low", "age_high", "gender", "group", "fold"]].astype(object)
    rows = columns.where(columns.notna(), None).itertuples(index=False, name=None)
    return {path.split(".")[1]: row for path, row in zip(frame["path"], rows, strict=True)}


def test_age_ranges_single_ages_and_unknown_labels_are_read(release: Path) -> None:
    table = Adience(str(release)).read()
    frame = table.frame[~table.frame["path"].str.contains("9734")]
    assert labels(frame) == {
        "1": (25, 32, 1, "adience:30601258@N03", "0"),
        "2": (35, 35, 0, "adience:30601258@N03", "0"),
        "3": (60, 100, None, "adience:7153718@N04", "1"),
        "4": (8, 12, None, "adience:64504106@N06", "2"),
        "5": (0, 2, 1, "adience:9999@N00", "3"),
        "6": (8, 23, 1, "adience:9999@N00", "3"),
        "8": (4, 6, 0, "adience:1234@N01", "4"),
    }
    assert table.frame["split"].isna().all()
    only_gender = table.frame[table.frame["path"].str.contains("9734")].iloc[0]
    assert only_gender["gender"] == 0 and pd.isna(only_gender["age_low"])
    reasons = {one.path.rsplit("/")[-1]: one.reason for one in table.skipped}
    assert reasons["landmark_aligned_face.7.3_o.jpg"] == "age and gender are unknown"
    assert "no row in" in reasons["coarse_tilt_aligned_face.7.3_o.jpg"]
    assert reasons["fold_frontal_0_data.txt"] == "not an image file"


def test_images_chooses_the_unaligned_faces(release: Path) -> None:
    frame = Adience(str(release), images="faces").read().frame
    assert frame["path"].str.fullmatch(r"faces/[0-9@N]+/coarse_tilt_aligned_face\.\d\.\w+\.jpg").all() and len(frame) == 8


def test_each_published_fold_in_turn_is_the_test_split(release: Path) -> None:
    table = Adience(str(release)).read()
    for number in range(5):
        frame = Folds(number, val_fraction=0.3).assign(table).frame
        assert set(frame["split"][frame["fold"] == str(number)]) == {"test"}
        assert set(frame["split"][frame["fold"] != str(number)]) == {"train", "val"}
    assert Folds(3).describe(table) == "published folds of adience, fold 3 of 5, val 10 of train, seed 0"
    with pytest.raises(AgeGenderError, match=r"split\.count=4: adience publishes 5 folds \(0, 1, 2, 3, 4\)"):
        Folds(0, count=4).assign(table)


def test_the_test_fold_of_an_earlier_version_gives_the_same_split(release: Path) -> None:
    table = Adience(str(release)).read()
    earlier = table.with_columns(split=["test" if fold == "3" else "train" for fold in table.frame["fold"]])
    source = {"_target_": "agegender.sources.adience.Adience", "root": "/faces", "test_fold": 3}
    split = {"_target_": "agegender.data.splits.RandomSplit", "fractions": [0.6, 0.3, 0.1], "seed": 4, "subset": None}
    config = current({"data": {"test_fold": 3, "sources": {"adience": source}}, "split": split})
    assert config["data"] == {"sources": {"adience": {"_target_": source["_target_"], "root": "/faces"}}}
    assert source["test_fold"] == 3  # the original is left alone
    then, now = RandomSplit((0.6, 0.3, 0.1), seed=4).assign(earlier), build(config["split"], "split").assign(table)
    assert splits(now.frame) == splits(then.frame) and len(set(now.frame["split"])) == 3
    unset = {"data": {"test_fold": None, "sources": {"adience": {**source, "test_fold": None}}}, "split": split}
    assert current(unset)["split"] == split and "test_fold" not in str(current(unset))


def splits(frame: pd.DataFrame) -> dict[str, str]:
    return dict(zip(frame["path"], frame["split"], strict=True))


def test_errors_name_file_and_row(release: Path) -> None:
    file = release / "fold_2_data.txt"
    file.write_text(file.read_text().replace("(8, 12)", "(8, 12").replace("\t\t0", "\tx\t0"))
    with pytest.raises(AgeGenderError, match=r"fold_2_data\.txt row 2, column gender: 'x' is not one of m, f, u"):
        Adience(str(release)).read()
    file.unlink()
    with pytest.raises(AgeGenderError, match=r"fold_2_data\.txt cannot be read: No such file"):
        Adience(str(release)).read()
