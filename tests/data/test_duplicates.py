"""Byte-identical copies: which are dropped, and why."""

import os
from pathlib import Path

import pytest

from agegender.data.duplicates import resolve_duplicates
from agegender.data.scan import scan
from agegender.errors import AgeGenderError
from agegender.sources.faces import FaceTable
from agegender.sources.utkface import UTKFace

SHARED = Path(os.environ.get("AGEGENDER_SHARED", Path(__file__).parents[2].parent / "shared"))


def table(*faces: tuple[str, str, float, float, object], group: list[str] | None = None) -> FaceTable:
    path, sha, low, high, gender = zip(*faces, strict=True)
    columns = {"path": path, "age_low": low, "age_high": high, "gender": gender}
    columns |= {"group": group} if group else {}
    made = FaceTable.of("d", Path("/d"), columns)
    made.frame["sha256"] = list(sha)
    return made


NAN = float("nan")
FACES = (
    ("f", "agree", 30, 30, 1),
    ("a", "alone", 5, 5, 0),
    ("c", "age", 20, 20, 0),
    ("b", "age", 60, 60, 0),
    ("e", "agree", 30, 30, 1),
    ("g", "sex", 40, 40, 0),
    ("h", "sex", 40, 40, 1),
    ("i", "range", 20, 29, None),
    ("j", "range", 25, 25, 1),
    ("k", "range", NAN, NAN, None),
    ("l", "apart", 0, 2, None),
    ("m", "apart", 3, 9, None),
)


@pytest.mark.parametrize(
    ("policy", "kept"),
    [("keep", "facbeghijklm"), ("drop_conflicting", "faeijk"), ("drop", "aei")],
)
def test_policies(policy: str, kept: str) -> None:
    faces = table(*FACES)
    resolved = resolve_duplicates(faces, policy)  # type: ignore[arg-type]
    assert "".join(resolved.frame["path"]) == kept
    assert {one.path for one in resolved.skipped} == {f"d/{face[0]}" for face in FACES} - {f"d/{one}" for one in kept}
    assert resolved.notes == [
        f"5 images have several byte-identical files (11 files), 3 of them with conflicting labels (6 files): "
        f"{12 - len(kept)} faces dropped (data.duplicates={policy})"
    ]
    assert len(faces) == 12 and faces.skipped == [] and faces.notes == []


def test_reasons_name_the_kept_copy_or_the_conflicting_labels() -> None:
    reasons = {one.path: one.reason for one in resolve_duplicates(table(*FACES), "drop").skipped}
    assert reasons["d/f"] == "byte-identical to d/e"
    assert reasons["d/b"] == reasons["d/c"] == "byte-identical copies have conflicting labels: ages 20, 60"
    assert reasons["d/g"].endswith("genders 0 and 1")
    assert reasons["d/m"].endswith("ages 0-2, 3-9")


@pytest.mark.parametrize("policy", ["drop_conflicting", "drop"])
def test_faces_of_a_predefined_test_split_are_kept(policy: str) -> None:
    faces = table(*FACES)
    faces.frame["split"] = ["test" if face[1] in ("sex", "agree") else None for face in FACES]
    resolved = resolve_duplicates(faces, policy)  # type: ignore[arg-type]
    assert set("efgh") < set(resolved.frame["path"]) and not set("bclm") & set(resolved.frame["path"])
    assert resolved.notes[0].endswith(f"; {2 + (policy == 'drop')} more are kept, because they are in a predefined test split")


def test_different_images_of_a_group_do_not_conflict() -> None:
    one_person = table(("a", "x", 20, 20, 0), ("b", "y", 60, 60, 0), group=["anna", "anna"])
    resolved = resolve_duplicates(one_person, "drop_conflicting")
    assert len(resolved) == 2 and resolved.notes == []


def test_an_unknown_policy_and_an_empty_result_raise() -> None:
    with pytest.raises(AgeGenderError, match=r"data\.duplicates=remove must be one of keep, drop_conflicting, drop"):
        resolve_duplicates(table(*FACES), "remove")  # type: ignore[arg-type]
    with pytest.raises(AgeGenderError, match="drop_conflicting drops all 2 faces"):
        resolve_duplicates(table(("a", "x", 1, 1, 0), ("b", "x", 2, 2, 0)), "drop_conflicting")


@pytest.mark.skipif(not (SHARED / "data/utkface").is_dir(), reason="UTKFace is not available")
def test_copies_in_utkface() -> None:
    table = UTKFace(str(SHARED / "data/utkface")).read()
    assert (len(table), len(table.skipped)) == (19326, 3)
    scanned = scan(table, None, progress=False)
    assert len(scanned) == 19326
    kept = resolve_duplicates(scanned, "keep")
    assert kept.notes[0].startswith(
        "304 images have several byte-identical files (619 files), 185 of them with conflicting labels (378 files)"
    )
    assert len(resolve_duplicates(scanned, "drop_conflicting")) == 19326 - 378
    assert len(resolve_duplicates(scanned, "drop")) == 19326 - 378 - (619 - 378) + (304 - 185)
