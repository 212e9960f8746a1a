"""The YAML files of published datasets that use `FolderFaces`, each with a small copy of the layout of its release."""

from pathlib import Path
from typing import Any

import pytest

from agegender.configuration.build import build
from agegender.configuration.command import compose
from agegender.configuration.schema import validate_faces
from agegender.errors import AgeGenderError
from agegender.sources.faces import FaceTable


def make(root: Path, *images: str, **texts: str) -> None:
    """Create empty images and text files. `__` in a name of a text file means `/`."""
    for name in images:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    for name, text in texts.items():
        file = root / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        (file.with_suffix(file.suffix or ".txt")).write_text(text)


def read(choice: str, root: Path, *overrides: str) -> FaceTable:
    config = compose([f"data={choice}", f"data.root={root}", *overrides], "faces")
    validate_faces(config)
    (source,) = build(config["data"]["sources"], "data.sources").values()
    assert len(source.license) > 20
    return source.read()


def rows(table: FaceTable, *columns: str) -> dict[str, Any]:
    cells = table.frame[list(columns)].astype(object).where(table.frame[list(columns)].notna(), None)
    return dict(zip(table.frame["path"], cells.itertuples(index=False, name=None), strict=True))


def reasons(table: FaceTable) -> dict[str, str]:
    return {one.path.split("/", 1)[1]: one.reason for one in table.skipped}


def test_all_age_faces_uses_0_for_female(tmp_path: Path) -> None:
    for folder in ("original images", "aglined faces"):
        make(tmp_path, *(f"{folder}/{name}.jpg" for name in ("00000A02", "07380A67", "07381A03", "13321A80")))
    make(tmp_path, "key points/00000A02.txt")
    (tmp_path / "image sets").mkdir()
    (tmp_path / "image sets/train.txt").write_text("00000A02.jpg 0\n13321A80.jpg 1\n")
    (tmp_path / "image sets/val.txt").write_text("07380A67.jpg 0\n07381A03.jpg 1\n")
    table = read("all_age_faces", tmp_path)
    assert rows(table, "age_low", "age_high", "gender", "split") == {
        "original images/00000A02.jpg": (2, 2, 1, "train"),
        "original images/07380A67.jpg": (67, 67, 1, "test"),
        "original images/07381A03.jpg": (3, 3, 0, "test"),
        "original images/13321A80.jpg": (80, 80, 0, "train"),
    }
    assert len(reasons(table)) == 5 and reasons(table)["key points/00000A02.txt"] == "not an image file"
    aligned = read("all_age_faces", tmp_path, "data.images=aglined faces")
    assert rows(aligned, "age_low")["aglined faces/07380A67.jpg"] == (67,) and len(aligned) == 4
    (tmp_path / "image sets/val.txt").write_text("07380A67.jpg 2\n")
    with pytest.raises(AgeGenderError, match=r"image sets/val\.txt row 1, column gender: '2' is not one of 0, 1"):
        read("all_age_faces", tmp_path)


def test_fgnet_groups_images_by_person(tmp_path: Path) -> None:
    make(tmp_path, "001A02.JPG", "001A43a.JPG", "082a18.jpg", "001A02.pts", "Thumbs.db", "001A2.JPG")
    table = read("fgnet", tmp_path)
    assert rows(table, "age_low", "gender", "group") == {
        "001A02.JPG": (2, None, "fgnet:001"),
        "001A43a.JPG": (43, None, "fgnet:001"),
        "082a18.jpg": (18, None, "fgnet:082"),
    }
    assert set(reasons(table)) == {"001A02.pts", "Thumbs.db", "001A2.JPG"}


def test_lfw_has_gender_only(tmp_path: Path) -> None:
    files = "Aaron_Eckhart/Aaron_Eckhart_0001.jpg", "Zhang_Ziyi/Zhang_Ziyi_0001.jpg", "Zhang_Ziyi/Zhang_Ziyi_0002.jpg"
    make(tmp_path, *(f"lfw/{file}" for file in files), "lfw/Tara_Kirk/Tara_Kirk_0001.jpg")
    make(tmp_path, male_names="Aaron_Eckhart_0001.jpg\n", female_names="Zhang_Ziyi_0001.jpg\nZhang_Ziyi_0002.jpg\n")
    table = read("lfw", tmp_path)
    assert rows(table, "age_low", "gender", "group") == {
        f"lfw/{files[0]}": (None, 0, "lfw:Aaron_Eckhart"),
        f"lfw/{files[1]}": (None, 1, "lfw:Zhang_Ziyi"),
        f"lfw/{files[2]}": (None, 1, "lfw:Zhang_Ziyi"),
    }
    assert reasons(table) == {"lfw/Tara_Kirk/Tara_Kirk_0001.jpg": "no row in male_names.txt, female_names.txt"}
    make(tmp_path, male_names="Aaron_Eckhart_0001.jpg\nZhang_Ziyi_0001.jpg\n")
    with pytest.raises(AgeGenderError, match=r"Zhang_Ziyi_0001\.jpg has two different labels: male_names\.txt row 2.*female"):
        read("lfw", tmp_path)


def test_agedb_has_all_labels_in_the_file_name(tmp_path: Path) -> None:
    make(tmp_path, "0_MariaCallas_35_f.jpg", "10000_GlennClose_62_f.jpg", "12_O'Neil_De_Niro_9_m.jpg", "13_Nobody_m.jpg")
    table = read("agedb", tmp_path)
    assert rows(table, "age_low", "gender", "group") == {
        "0_MariaCallas_35_f.jpg": (35, 1, "agedb:MariaCallas"),
        "10000_GlennClose_62_f.jpg": (62, 1, "agedb:GlennClose"),
        "12_O'Neil_De_Niro_9_m.jpg": (9, 0, "agedb:O'Neil_De_Niro"),
    }
    assert reasons(table) == {"13_Nobody_m.jpg": "the file name does not match the pattern"}


def test_megaage_reads_parallel_lists(tmp_path: Path) -> None:
    make(tmp_path, "train/1.jpg", "train/2.jpg", "test/1.jpg")
    make(
        tmp_path, list__train_name="1.jpg\n2.jpg\n", list__train_age="30\n4\n", list__test_name="1.jpg\n", list__test_age="70\n"
    )
    table = read("megaage", tmp_path)
    assert rows(table, "age_low", "gender", "split") == {
        "test/1.jpg": (70, None, "test"),
        "train/1.jpg": (30, None, "train"),
        "train/2.jpg": (4, None, "train"),
    }
    assert not reasons(table)


def test_imdb_clean_groups_images_by_person(tmp_path: Path) -> None:
    header = "filename,age,gender,x_min,y_min,x_max,y_max,head_roll,head_yaw,head_pitch\n"
    lines = {
        "train": ["00/nm0000100_rm46373120_1955-1-6_2003.jpg,48,M", "00/nm0000100_rm57_1955-1-6_2008.jpg,53,M"],
        "valid": ["01/nm0000001_rm3343756032_1899-5-10_1970.jpg,71,M"],
        "test": ["98/nm1000098_rm1_1980-1-1_2010.jpg,30,F", "98/nm1000098_rm2_1980-1-1_2011.jpg,31,F"],
    }
    for split, some in lines.items():
        make(tmp_path, *(f"data/imdb-clean-1024/{line.split(',')[0]}" for line in some))
        text = header + "".join(f"{line},1,2,3,4,0.1,0.2,0.3\n" for line in some)
        make(tmp_path, **{f"csvs__imdb_{split}_new_1024.csv": text})
    table = read("imdb_clean", tmp_path)
    assert list(rows(table, "age_low", "gender", "group", "split").values()) == [
        (48, 0, "imdb_clean:nm0000100", "train"),
        (53, 0, "imdb_clean:nm0000100", "train"),
        (71, 0, "imdb_clean:nm0000001", "val"),
        (30, 1, "imdb_clean:nm1000098", "test"),
        (31, 1, "imdb_clean:nm1000098", "test"),
    ]
    (tmp_path / "data/imdb-clean-1024/98/nm1000098_rm2_1980-1-1_2011.jpg").unlink()
    with pytest.raises(AgeGenderError, match=r"1 of 2 rows of csvs/imdb_test_new_1024\.csv have no image .*data\.missing=skip"):
        read("imdb_clean", tmp_path)
    assert len(read("imdb_clean", tmp_path, "data.missing=skip")) == 4


@pytest.mark.parametrize("choice", ["appa_real", "adience", "imdb_wiki"])
def test_datasets_with_a_class_of_their_own_get_their_arguments(tmp_path: Path, choice: str) -> None:
    config = compose([f"data={choice}", f"data.root={tmp_path}", "data.missing=skip"], "faces")
    validate_faces(config)
    (source,) = build(config["data"]["sources"], "data.sources").values()
    assert (source.name, source.root, source.missing) == (choice, tmp_path, "skip")


def test_folder_reads_a_csv_with_other_column_names(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "faces.csv").write_text("file;age;gender;split\na.jpg;20-29;W;valid\nb.jpg;n/a;Male;TRAIN\n")
    overrides = ["data.csv=faces.csv", "data.delimiter=semicolon", "data.columns.path=file", "+data.values.gender.w=female"]
    table = read("folder", tmp_path, *overrides)
    assert rows(table, "age_low", "age_high", "gender", "split") == {
        "a.jpg": (20, 29, 1, "val"),
        "b.jpg": (None, None, 0, "train"),
    }
    with pytest.raises(AgeGenderError, match=r"faces\.csv row 2, column gender: 'W' is not one of m, male, man, f, .*"):
        read("folder", tmp_path, *overrides[:-1])


def test_0_and_1_for_gender_need_an_explicit_meaning(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg")
    (tmp_path / "faces.csv").write_text("path,gender\na.jpg,0\n")
    with pytest.raises(AgeGenderError, match=r"'0' is not one of m, male.*values\.gender"):
        read("folder", tmp_path, "data.csv=faces.csv")
    table = read("folder", tmp_path, "data.csv=faces.csv", "+data.values.gender.0=female", "+data.values.gender.1=male")
    assert rows(table, "gender") == {"a.jpg": (1,)}


def test_folder_names_reads_labels_in_file_names(tmp_path: Path) -> None:
    make(tmp_path, "30_m_x.jpg", "sub/4_f_y.jpg")
    table = read("folder_names", tmp_path, 'data.pattern="(?P<age>[0-9]+)_(?P<gender>[mf])_.*"')
    assert rows(table, "age_low", "gender") == {"30_m_x.jpg": (30, 0), "sub/4_f_y.jpg": (4, 1)}
