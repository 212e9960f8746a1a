"""The chain of trainings is written, read and checked."""

from pathlib import Path
from typing import Any

import pytest

from agegender.errors import AgeGenderError
from agegender.runs.chain import Stage, chain_of, write_chain
from agegender.runs.run_directory import RunDirectory

FIRST = Stage({"fairface": "CC BY 4.0"}, "ab" * 32, 12, "/runs/one", {"seed": 3, "limit": float("inf")})
SECOND = Stage({"utkface": "research only"}, "cd" * 32, None)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    assert chain_of(run) == ()
    write_chain(run, [FIRST, SECOND], {"backbone": [3, 4]})
    assert chain_of(run) == (FIRST, SECOND)
    assert run.read_init()["loaded"] == {"backbone": [3, 4]}


def test_a_checkpoint_holds_neither_path_nor_configuration() -> None:
    assert FIRST.portable() == {"data": {"fairface": "CC BY 4.0"}, "sha256": "ab" * 32, "seen": 12}
    assert Stage(**FIRST.portable()) == Stage(FIRST.data, FIRST.sha256, 12)


def test_unknown_images_are_said() -> None:
    assert str(FIRST) == "trained on fairface (/runs/one, sha256 abababababab; 12 images seen)"
    assert str(SECOND) == "trained on utkface (unknown place, sha256 cdcdcdcdcdcd; its images are not recorded)"


@pytest.mark.parametrize(
    "content", [[], {"chain": 3}, {"chain": [{}]}, {"chain": [{"data": 1, "sha256": "", "seen": None}]}, {"chain": [3]}, {}]
)
def test_a_damaged_file_is_named(content: Any, tmp_path: Path) -> None:
    import yaml

    run = RunDirectory(tmp_path)
    run.init.write_text(yaml.safe_dump(content))
    with pytest.raises(AgeGenderError, match=r"init_from\.yaml: cannot be read") as error:
        chain_of(run)
    assert len(str(error.value).splitlines()) == 1
