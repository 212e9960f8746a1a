"""Byte-identical copies: tied together, and left out where their labels disagree."""

import os
from pathlib import Path

import numpy as np
import pytest

from agegender.data.duplicates import resolve, tie
from agegender.data.scan import scan
from agegender.errors import AgeGenderError
from agegender.sources.faces import FaceTable
from agegender.sources.utkface import UTKFace

SHARED = Path(os.environ.get("AGEGENDER_SHARED", Path(__file__).parents[2].parent / "shared"))


def connected(group: list[int], key: list[int]) -> list[set[int]]:
    """Reference: a flood over the faces."""
    found, left = [], set(range(len(group)))
    while left:
        part, fresh = set(), {min(left)}
        while fresh:
            part |= fresh
            fresh = {j for i in fresh for j in left - part if group[i] == group[j] or key[i] == key[j]}
        found.append(part)
        left -= part
    return found


@pytest.mark.parametrize("seed", range(20))
def test_tie_finds_the_connected_parts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    group, key = rng.integers(0, 25, 30).tolist(), rng.integers(0, 25, 30).tolist()
    tied = tie([f"g{one:02}" for one in group], [f"k{one}" for one in key])
    for part in connected(group, key):
        assert {tied[i] for i in part} == {f"g{min(group[i] for i in part):02}"}
    assert len(set(tied)) == len(connected(group, key))


def test_tie_goes_along_a_chain_and_takes_nothing() -> None:
    groups = [f"{i:04}" for i in range(500) for _ in (0, 1)]
    keys = [f"{(i + 1) // 2}" for i in range(1000)]
    assert set(tie(groups, keys)) == {"0000"}
    assert tie([], []) == []


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
    ("policy", "stay"),
    [("keep", "facbeghijklm"), ("drop_conflicting", "faeijk"), ("drop", "aei")],
)
def test_policies(policy: str, stay: str) -> None:
    faces = table(*FACES)
    resolved = resolve(faces, policy)  # type: ignore[arg-type]
    assert "".join(resolved.frame["path"]) == stay
    assert {one.path for one in resolved.skipped} == {f"d/{face[0]}" for face in FACES} - {f"d/{one}" for one in stay}
    assert resolved.notes == [
        f"5 images stand in several byte-identical files (11 files), 3 of them with conflicting labels (6 files): "
        f"{12 - len(stay)} faces left out (data.duplicates={policy})"
    ]
    assert len(faces) == 12 and faces.skipped == [] and faces.notes == []


def test_reasons() -> None:
    reasons = {one.path: one.reason for one in resolve(table(*FACES), "drop").skipped}
    assert reasons["d/f"] == "byte-identical to d/e"
    assert reasons["d/b"] == reasons["d/c"] == "byte-identical copies carry conflicting labels: ages 20, 60"
    assert reasons["d/g"].endswith("genders 0 and 1")
    assert reasons["d/m"].endswith("ages 0-2, 3-9")


@pytest.mark.parametrize("policy", ["drop_conflicting", "drop"])
def test_a_published_test_part_stays_whole(policy: str) -> None:
    faces = table(*FACES)
    faces.frame["split"] = ["test" if face[1] in ("sex", "agree") else None for face in FACES]
    resolved = resolve(faces, policy)  # type: ignore[arg-type]
    assert set("efgh") < set(resolved.frame["path"]) and not set("bclm") & set(resolved.frame["path"])
    assert resolved.notes[0].endswith(f"; {2 + (policy == 'drop')} more stay, in a published test part")


def test_a_group_of_different_images_is_no_conflict() -> None:
    one_person = table(("a", "x", 20, 20, 0), ("b", "y", 60, 60, 0), group=["anna", "anna"])
    resolved = resolve(one_person, "drop_conflicting")
    assert len(resolved) == 2 and resolved.notes == []


def test_one_clear_line() -> None:
    with pytest.raises(AgeGenderError, match=r"data\.duplicates=remove is none of keep, drop_conflicting, drop"):
        resolve(table(*FACES), "remove")  # type: ignore[arg-type]
    with pytest.raises(AgeGenderError, match="leaves no face of 2"):
        resolve(table(("a", "x", 1, 1, 0), ("b", "x", 2, 2, 0)), "drop_conflicting")


@pytest.mark.skipif(not (SHARED / "data/utkface").is_dir(), reason="UTKFace is not here")
def test_real_utkface_has_copies_that_disagree() -> None:
    table = UTKFace(str(SHARED / "data/utkface")).read()
    assert (len(table), len(table.skipped)) == (19326, 3)
    scanned = scan(table, None, progress=False)
    assert len(scanned) == 19326
    kept = resolve(scanned, "keep")
    assert kept.notes[0].startswith(
        "304 images stand in several byte-identical files (619 files), 185 of them with conflicting labels (378 files)"
    )
    assert len(resolve(scanned, "drop_conflicting")) == 19326 - 378
    assert len(resolve(scanned, "drop")) == 19326 - 378 - (619 - 378) + (304 - 185)
