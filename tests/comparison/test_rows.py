"""Seeds share a row; rows are named by the settings that differ."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agegender.comparison.discovery import read
from agegender.comparison.rows import Row, name_apart, rows_of
from agegender.errors import AgeGenderError
from agegender.runs.chain import Stage, write_chain
from agegender.runs.run_directory import RunDirectory

Write = Callable[..., Path]
UTKFACE = "agegender.sources.utkface.UTKFace"
DLDL, BINS = {"_target_": "agegender.heads.dldl.DLDL", "sigma": 2.0}, {"_target_": "agegender.heads.age_bins.AgeBins"}


def rows(*paths: Path) -> list[Row]:
    found, _ = rows_of([read(path) for path in paths])
    name_apart(found)
    return found


def weights(file: str) -> dict[str, str]:
    return {"_target_": "agegender.models.backbones.TimmBackbone", "weights": file}


def test_runs_that_differ_in_seeds_places_and_machines_are_one_row(write_run: Write) -> None:
    split: dict[str, Any] = {"_target_": "agegender.data.splits.RandomSplit"}
    found = rows(
        write_run("a", [1.0], seed=0, split={**split, "seed": 0}, backbone=weights("/here/face.safetensors"),
                  loader={"batch_size": 32, "num_workers": 2, "cache_dir": "/cache"}),
        write_run("b", [1.0], seed=1, split={**split, "seed": 1}, backbone=weights("/there/face.safetensors"),
                  loader={"batch_size": 32, "num_workers": 7, "cache_dir": "/other"}, resume="/there",
                  data={"sources": {"utkface": {"_target_": UTKFACE, "root": "/there"}}}),
    )  # fmt: skip
    assert [[run.draw for run in row.runs] for row in found] == [[(0, (0, None)), (1, (1, None))]]
    assert found[0].name == "a"  # nothing sets it apart, so its folder names it


def test_folds_are_one_row_and_a_number_elsewhere_is_a_setting(write_run: Write) -> None:
    folds = {"_target_": "agegender.data.folds.Folds", "count": 3, "seed": 0}
    (row,) = rows(*(write_run(f"f{n}", [1.0], faces=f"f{n}", split={**folds, "number": n}) for n in (2, 0, 1)))
    assert row.folds == (0, 1, 2) and len(row.test_sets) == 3
    other = rows(*(write_run(f"g{n}", [1.0], head={**DLDL, "number": n}) for n in (0, 1)))
    assert len(other) == 2 and other[0].folds == ()


def test_any_other_setting_makes_another_row_with_that_name(write_run: Write) -> None:
    found = rows(
        write_run("a", [1.0], head=DLDL, image_size=64, backbone={"image_size": 64}),
        write_run("b", [1.0], head={**DLDL, "sigma": 3.0}, image_size=64, backbone={"image_size": 64}),
        write_run("c", [1.0], head=BINS, image_size=128, backbone={"image_size": 128}),
    )
    # sigma belongs to DLDL, and the backbone's size follows the image's
    assert [row.name for row in found] == [
        "head=DLDL, head.sigma=2.0, image_size=64",
        "head=DLDL, head.sigma=3.0, image_size=64",
        "head=AgeBins, image_size=128",
    ]


def test_a_given_name_is_used_and_extended_if_it_is_not_unique(write_run: Write) -> None:
    assert [row.name for row in rows(write_run("a", [1.0], name="ours"), write_run("b", [1.0], head=BINS, name="theirs"))] == [
        "ours",
        "theirs",
    ]
    assert [
        row.name for row in rows(write_run("c", [1.0], name="ours"), write_run("d", [1.0], image_size=128, name="ours"))
    ] == [
        "ours: image_size=64",
        "ours: image_size=128",
    ]


def test_a_number_that_copies_another_setting_is_not_in_the_name(write_run: Write) -> None:
    found = rows(
        *(
            write_run(
                str(n), [1.0], trainer={"max_epochs": n}, callbacks={"early_stopping": {"patience": n}}, tower={"x": n % 2}
            )
            for n in (4, 7)
        )
    )
    assert [row.name for row in found] == ["tower.x=0, trainer.max_epochs=4", "tower.x=1, trainer.max_epochs=7"]


def test_of_a_long_list_the_ends_are_shown(write_run: Write) -> None:
    heads = [{**BINS, "edges": edges} for edges in ([0, 10, 20, 30, 40, 50], [0, 50])]
    found = rows(*(write_run(str(n), [1.0], head=head) for n, head in enumerate(heads)))
    assert [row.name for row in found] == ["head.edges=[0, 10, ... 50]", "head.edges=[0, 50]"]


def test_names_of_rows_are_unique(write_run: Write) -> None:
    found = rows(write_run("a", [1.0]), write_run("b", [1.0], callbacks={"ema": {"decay": 0.9}}))
    assert len({row.name for row in found}) == 2


def test_a_repeated_seed_counts_once_and_is_named(write_run: Write) -> None:
    paths = write_run("a", [1.0]), write_run("b", [1.0]), write_run("c", [1.5], seed=1)
    found, repeats = rows_of([read(path) for path in paths])
    assert [[run.path.name for run in row.runs] for row in found] == [["a", "c"]]
    assert len(repeats) == 1 and "b: repeats" in repeats[0] and "not counted twice" in repeats[0]


def test_the_same_seed_with_another_result_is_another_row(write_run: Write) -> None:
    before, after = write_run("old/0", [1.0], name="ours"), write_run("new/0", [1.5], name="ours")
    assert [row.name for row in rows(before, after)] == ["ours, old/0", "ours, new/0"]


def test_other_weights_of_the_same_file_name_are_another_row(write_run: Write) -> None:
    def run(place: str, folder: str, error: float, seed: int = 0) -> Path:
        return write_run(place, [error], seed=seed, backbone=weights(f"/{folder}/checkpoints/best.ckpt"), name="ours")

    found = rows(run("0", "faces", 1.0), run("1", "imagenet", 2.0), run("2", "imagenet", 2.1, 1), run("3", "faces", 1.1, 1))
    assert [[run.path.name for run in row.runs] for row in found] == [["0", "3"], ["1", "2"]]
    assert [row.name for row in found] == [
        "ours, weights=faces/checkpoints/best.ckpt",
        "ours, weights=imagenet/checkpoints/best.ckpt",
    ]


def test_the_same_seed_on_other_data_is_another_row_named_by_the_data(write_run: Write) -> None:
    def run(place: str, root: str, seed: int) -> Path:
        sources = {"utkface": {"_target_": UTKFACE, "root": f"/data/{root}"}}
        return write_run(place, [1.0], seed=seed, faces=root, data={"sources": sources}, split={"seed": 0})

    found = rows(run("0", "tight", 0), run("1", "wide", 1), run("2", "wide", 0), run("3", "tight", 1))
    assert [[run.path.name for run in row.runs] for row in found] == [["0", "3"], ["1", "2"]]
    assert [row.name for row in found] == ["root=data/tight", "root=data/wide"]


def test_without_predictions_a_repeat_is_recognised_by_its_files(write_run: Write) -> None:
    def run(place: str, file: str) -> Path:
        return write_run(place, [1.0], predictions=False, backbone=weights(file))

    found, repeats = rows_of([read(run("a", "/x/w.pt")), read(run("b", "/x/w.pt")), read(run("c", "/y/w.pt"))])
    assert [[run.path.name for run in row.runs] for row in found] == [["a"], ["c"]] and len(repeats) == 1


def test_files_count_by_name_and_arguments_of_a_source_are_named_once(write_run: Write) -> None:
    def run(place: str, folder: str, file: str, age: str = "real") -> Path:
        split = {"_target_": "agegender.data.file_split.FileSplit", "train": f"/{folder}/{file}", "test": f"/{folder}/t.csv"}
        source = {"_target_": "agegender.sources.appa_real.AppaReal", "root": f"/{folder}", "age": age}
        data = {"root": folder, "age": age, "sources": {"appa_real": source}}
        return write_run(place, [1.0], seed=int(place), split=split, data=data)

    found = rows(run("0", "a", "x.csv"), run("1", "b", "x.csv"), run("2", "a", "y.csv"), run("3", "a", "x.csv", "apparent"))
    assert [[run.path.name for run in row.runs] for row in found] == [["0", "1"], ["2"], ["3"]]
    assert [row.name for row in found] == [
        "data.sources.appa_real.age=real, split.train=x.csv",
        "data.sources.appa_real.age=real, split.train=y.csv",
        "data.sources.appa_real.age=apparent, split.train=x.csv",
    ]


def test_earlier_trainings_are_settings_but_their_seeds_are_not(write_run: Write) -> None:
    def chained(name: str, seed: int, sigma: float) -> Path:
        folder = write_run(name, [float(seed)], seed=seed)
        source = {"_target_": "agegender.sources.fairface.FairFace", "root": "/f"}
        config = {"seed": seed, "data": {"sources": {"fairface": source}}, "head": {**DLDL, "sigma": sigma}}
        stage = Stage({"fairface": "CC BY 4.0"}, f"{seed:064d}", 5, f"/runs/{name}", config)
        write_chain(RunDirectory(folder), [stage], {})
        return folder

    found = rows(chained("a", 0, 2.0), chained("b", 1, 2.0), chained("c", 0, 3.0), write_run("d", [0.0]))
    assert [(row.name, len(row.runs)) for row in found] == [
        ("trained on fairface then utkface, earlier1.head.sigma=2.0", 2),
        ("trained on fairface then utkface, earlier1.head.sigma=3.0", 1),
        ("trained on utkface", 1),
    ]
    alone = write_run("e", [0.0])
    write_chain(RunDirectory(alone), [Stage({"x": "y"}, "0" * 64, None, None, {"data": 3})], {})
    with pytest.raises(AgeGenderError, match="cannot be read as a run directory"):
        read(alone)
