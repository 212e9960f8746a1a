"""Faces that show images of the train or validation split are refused or excluded, in every dataset."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

from agegender.data.assemble import assemble
from agegender.data.datamodule import FaceDataModule
from agegender.data.seen import seen_csv
from agegender.errors import AgeGenderError
from agegender.evaluation.unseen import require_unseen, require_unseen_before
from agegender.runs.chain import Stage, write_chain
from agegender.runs.run_directory import RunDirectory

Configure = Callable[..., dict[str, Any]]


def ready(config: dict[str, Any]) -> FaceDataModule:
    data = assemble(config)
    data.setup()
    return data


@pytest.fixture
def run(configure: Configure, tmp_path: Path) -> RunDirectory:
    """Only what is read here: the images of the train and validation splits of the generated faces."""
    directory = RunDirectory(tmp_path / "run")
    directory.write_seen(seen_csv(ready(configure("loader.cache=none")).table))
    return directory


@pytest.fixture
def others(configure: Configure, faces: Path, make_utkface: Callable[..., Path], tmp_path: Path) -> dict[str, Any]:
    """Two datasets: 20 new faces, and all 60 faces of the run of which 10 are copies and 50 are encoded again."""
    again = tmp_path / "again"
    again.mkdir()
    for number, file in enumerate(sorted(faces.iterdir())):
        if number < 10:
            shutil.copy(file, again)
        else:
            cv2.imwrite(str(again / file.name), cv2.imread(str(file)), [cv2.IMWRITE_JPEG_QUALITY, 94])
    config = configure(f"data.root={make_utkface(tmp_path / 'new', 20, seed=7)}", "loader.cache=none", "split=all_test")
    (source,) = config["data"]["sources"].values()
    config["data"]["sources"] = {"new": {**source, "name": "new"}, "again": {**source, "name": "again", "root": str(again)}}
    return config


def test_copies_are_refused(run: RunDirectory, others: dict[str, Any]) -> None:
    message = (
        r"^54 of 80 faces are copies of .* train or val split \(\d byte-identical, \d\d near-identical\), for example again/"
    )
    with pytest.raises(AgeGenderError, match=message):
        require_unseen(ready(others), run, "test")


def test_copies_are_excluded_and_counted(run: RunDirectory, others: dict[str, Any]) -> None:
    data = ready(others)
    before = data.split_sha256, data.content_sha256
    counts = require_unseen(data, run, "test", "exclude")
    assert counts["byte_identical"] + counts["near_identical"] == 54 and 6 <= counts["byte_identical"] <= 10
    assert data.table.frame["dataset"].value_counts().to_dict() == {"new": 20, "again": 6}
    assert before[0] != data.split_sha256 and before[1] != data.content_sha256
    reasons = [one.reason for one in data.table.skipped if "train or val split" in one.reason]
    assert reasons.count("image of the run's train or val split: near-identical") == counts["near_identical"]
    assert len(reasons) == 54
    again = require_unseen(data, run, "test")
    assert (again["byte_identical"], again["near_identical"]) == (0, 0)


def test_near_copies_are_not_looked_for_if_switched_off(run: RunDirectory, others: dict[str, Any]) -> None:
    others["data"]["near_copies"] = None
    counts = require_unseen(ready(others), run, "test", "exclude")
    assert counts["byte_identical"] and not counts["near_identical"]


def test_a_run_of_an_earlier_version_finds_identical_files_and_says_so(
    run: RunDirectory, others: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    run.write_seen("\n".join(line.partition(",")[0] for line in run.read_seen().splitlines()[1:]) + "\n")
    counts = require_unseen(ready(others), run, "test", "exclude")
    assert counts["byte_identical"] and not counts["near_identical"]
    assert f"{run.seen} has no perceptual hashes" in caplog.text


def test_a_test_of_copies_only_is_refused(run: RunDirectory, configure: Configure) -> None:
    data = ready(configure("loader.cache=none"))
    with pytest.raises(AgeGenderError, match=r"^48 of 48 faces .* so they cannot test it$"):
        require_unseen(data, run, "train", "exclude")
    again = require_unseen(data, run, "test")
    assert (again["byte_identical"], again["near_identical"]) == (0, 0)


def test_a_damaged_file_is_named(run: RunDirectory, configure: Configure) -> None:
    run.write_seen("abc\n")
    with pytest.raises(AgeGenderError, match=rf"^{run.seen}: 'abc' is not the SHA-256"):
        require_unseen(ready(configure("loader.cache=none")), run, "test")


def test_images_of_an_earlier_model_are_kept_out_of_the_test(run: RunDirectory, others: dict[str, Any]) -> None:
    seen = run.read_seen()
    with pytest.raises(AgeGenderError, match=r"^54 of 80 .* of an earlier model \(init_from\) .* seen=exclude tests"):
        require_unseen_before(ready(others), seen, run.seen, "refuse")
    data = ready(others)
    counts = require_unseen_before(data, seen, run.seen, "exclude")
    assert counts["by_dataset"] == {"new": 0, "again": 54} and len(data.table) == 26


def test_known_validation_faces_and_unrecorded_trainings_are_said(
    run: RunDirectory, configure: Configure, caplog: pytest.LogCaptureFixture
) -> None:
    data = ready(configure("loader.cache=none"))
    require_unseen_before(data, run.read_seen(), run.seen, "refuse")
    count = len(data.rows("val"))
    assert f"{count} of {count} validation faces are copies of images that an earlier model" in caplog.text
    write_chain(run, [Stage({"fairface": ""}, "0" * 64, None)], {})
    require_unseen(data, run, "test")
    assert "trained on fairface" in caplog.text and "it is not checked" in caplog.text
