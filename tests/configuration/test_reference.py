"""The configuration reference is current, complete and readable."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from agegender.configuration.paths import CONF
from agegender.configuration.reference import description, reference

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def page() -> str:
    return reference()


def test_the_page_in_docs_is_current(page: str) -> None:
    written = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert written == page, "run: python scripts/write_configuration_reference.py"


def test_the_script_writes_the_same_page_in_another_process(page: str, tmp_path: Path) -> None:
    script = ROOT / "scripts" / "write_configuration_reference.py"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "1"}  # the order of sets differs
    subprocess.run([sys.executable, script, f"--file={tmp_path / 'page.md'}"], cwd=tmp_path, env=environment, check=True)
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == page


@pytest.mark.parametrize("file", sorted(CONF.rglob("*/*.yaml")), ids=lambda file: f"{file.parent.name}={file.stem}")
def test_every_choice_is_described_in_its_first_line(file: Path, page: str) -> None:
    text = description(file.read_text(encoding="utf-8"))
    assert re.fullmatch(r"[\w\"].*[.?]", text), f"the first line of {file} must be one sentence"
    assert f"`{file.parent.relative_to(CONF).as_posix()}={file.stem}`" in page


def test_every_key_is_described(page: str) -> None:
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert len(rows) > 300
    assert [row for row in rows if row.endswith("|  |")] == []


@pytest.mark.parametrize(
    "row",
    [
        "| `seed` | an integer | `0` | Seed of splits, initial weights, order of faces, augmentation and dropout. |",
        "| `head.sigma` | a number | `2.0` | ",
        "| `head.expectation_weight` | a number | `0.1`; `1.0` (dldl_v2) | ",
        "| `backbone.weights` | a path or null | `null`; required (resnet50_vggface2, vgg16_vggface) | ",
        "| `data.image_size` | an integer | `64`; `224` (other choices) | ",
        "| `data.sources.utkface.name` | text | + `utkface` | ",
        "| `data.sources.NAME.root` | a path | required | ",
        "| `adience` | `data.images` | `aligned` | ",
        "| `callbacks.early_stopping.patience` | an integer | `10` | Epochs without improvement after which ",
        "| `split.train` | a path | required | ",
        "| `out` | a path or null | `null` | Folder of the results of `predictions`; null for a new folder beside the file. |",
    ],
)
def test_rows_of_the_page(row: str, page: str) -> None:
    assert f"\n{row}" in page


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# @package _global_\n# One.\n# Two.\nkey: 1\n", "One."),
        ("# One: two.\n_target_: x\n", "One: two."),
        ("key: 1  # not a header\n", ""),
        ("", ""),
    ],
)
def test_the_description_of_a_file_is_its_first_comment_line(text: str, expected: str) -> None:
    assert description(text) == expected
