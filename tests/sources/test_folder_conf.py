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


def test_cacd2000_has_age_and_person_in_the_file_name(tmp_path: Path) -> None:
    make(tmp_path, "53_Robin_Williams_0001.jpg", "23_Katie_Findlay_0013.jpg", "14_Zoë_Kravitz_0002.jpg", "Robin_Williams.jpg")
    table = read("cacd2000", tmp_path)
    assert rows(table, "age_low", "gender", "group") == {
        "53_Robin_Williams_0001.jpg": (53, None, "cacd2000:Robin_Williams"),
        "23_Katie_Findlay_0013.jpg": (23, None, "cacd2000:Katie_Findlay"),
        "14_Zoë_Kravitz_0002.jpg": (14, None, "cacd2000:Zoë_Kravitz"),
    }
    assert list(reasons(table)) == ["Robin_Williams.jpg"]


def test_morph_reads_labels_and_persons_of_its_file(tmp_path: Path) -> None:
    header = "id_num,picture_num,dob,doa,race,gender,facial_hair,age,age_diff,glasses,photo"
    first = "009055,1,01/01/1950,02/02/2004,B,M,NULL,54,0,NULL,Album2/009055_1M54.JPG"
    second = "009056,0,01/01/1980,02/02/2004,W,F,NULL,24,0,NULL,Album2/009056_0F24.JPG"
    make(tmp_path, "Album2/009055_1M54.JPG", "Album2/009056_0F24.JPG")
    (tmp_path / "morph_2008_nonCommercial.csv").write_text("\n".join([header, first, second]))
    assert rows(read("morph", tmp_path), "age_low", "gender", "race", "group") == {
        "Album2/009055_1M54.JPG": (54, 0, "B", "morph:009055"),
        "Album2/009056_0F24.JPG": (24, 1, "W", "morph:009056"),
    }


def test_clap2016_rounds_mean_guesses_and_keeps_its_splits(tmp_path: Path) -> None:
    make(tmp_path, "train_1/000000.jpg", "train_2/004112.jpg", "valid/004113.jpg", "test/005613.jpg")
    rows_of = {
        "train": ["000000.jpg,4.6,1.1", "004112.jpg,35,4.6"],
        "valid": ["004113.jpg,60.4,7"],
        "test": ["005613.jpg,31.5,2"],
    }
    for split, lines in rows_of.items():
        (tmp_path / f"{split}_gt.csv").write_text("\n".join(["image,mean,stdv", *lines]))
    assert rows(read("clap2016", tmp_path), "age_low", "age_high", "gender", "split") == {
        "train_1/000000.jpg": (5, 5, None, "train"),
        "train_2/004112.jpg": (35, 35, None, "train"),
        "valid/004113.jpg": (60, 60, None, "val"),
        "test/005613.jpg": (32, 32, None, "test"),
    }


def test_afad_has_labels_in_the_path(tmp_path: Path) -> None:
    make(tmp_path, "15/111/638660-1.jpg", "15/112/638661-0.jpg", "72/111/638660-2.jpg", "15/111/Thumbs.db", "AFAD-Full.txt")
    table = read("afad", tmp_path)
    assert rows(table, "age_low", "gender", "group") == {
        "15/111/638660-1.jpg": (15, 0, "afad:638660"),
        "15/112/638661-0.jpg": (15, 1, "afad:638661"),
        "72/111/638660-2.jpg": (72, 0, "afad:638660"),
    }
    assert set(reasons(table)) == {"15/111/Thumbs.db", "AFAD-Full.txt"}


def test_lagenda_has_boxes_and_people_without_labels(tmp_path: Path) -> None:
    header = "img_name,age,gender,face_x0,face_y0,face_x1,face_y1,person_x0,person_y0,person_x1,person_y1"
    labelled, unknown = "lag_benchmark/1.jpg,30,F,5,5,40,40,0,0,90,90", "lag_benchmark/1.jpg,-1,-1,50,5,90,40,45,0,95,90"
    body, absent = "lag_benchmark/1.jpg,30,M,-1,-1,-1,-1,0,0,50,90", "lag_benchmark/2.jpg,30,M,1,1,9,9,0,0,50,90"
    make(tmp_path, "lag_benchmark/1.jpg")
    (tmp_path / "lagenda_annotation.csv").write_text("\n".join([header, labelled, unknown, body, absent]))
    table = read("lagenda", tmp_path, "data.missing=skip")
    assert rows(table, "age_low", "gender") == {"lag_benchmark/1.jpg#5 5 40 40": (30, 1)}
    found = [one.reason.partition(":")[0] for one in table.skipped]
    assert sorted(found) == ["age and gender are unknown", "image not found", "no box of a face"]
