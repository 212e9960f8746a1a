"""The test tree mirrors the package: every module has its test file, or a line in tests/README.md names the test."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULE = re.compile(r"\| `(agegender/[\w/]+\.py)` \| `tests/")  # a row of a table, with the test that covers the module
TEST = re.compile(r"`(tests/[\w/]+\.py)`")


def problems(root: Path) -> list[str]:
    """One line for each module without a test, each test file of no module, and each line of the README that is not true."""
    readme = (root / "tests" / "README.md").read_text(encoding="utf-8")
    named = set(TEST.findall(readme))
    covered = set(MODULE.findall(readme))
    modules = {path.relative_to(root).as_posix() for path in (root / "agegender").rglob("*.py") if path.name != "__init__.py"}
    tests = {path.relative_to(root).as_posix() for path in (root / "tests").rglob("test_*.py")}
    mirrors = {module: _mirror(module) for module in modules}

    found = []
    for module in modules - covered:
        if mirrors[module] not in tests:
            found.append(f"{module}: neither {mirrors[module]} nor a line in tests/README.md")
    for test in tests - set(mirrors.values()) - named:
        found.append(f"{test}: neither the test of a module nor named in tests/README.md")
    for path in (covered - modules) | (named - tests):
        found.append(f"tests/README.md: there is no {path}")
    for module in covered & modules:
        if mirrors[module] in tests:
            found.append(f"tests/README.md: {module} has its own test file")
    return sorted(found)


def _mirror(module: str) -> str:
    path = Path("tests", *Path(module).parts[1:])
    return path.with_name(f"test_{path.stem.strip('_')}.py").as_posix()


def test_every_module_has_a_test_and_every_test_a_module() -> None:
    assert problems(ROOT) == []


GOOD = {
    "agegender/__init__.py": "",
    "agegender/errors.py": "",
    "agegender/data/__main__.py": "",
    "agegender/heads/dldl.py": "",
    "tests/data/test_main.py": "",
    "tests/heads/test_dldl.py": "",
    "tests/test_wheel.py": "",
    "tests/README.md": "| `agegender/errors.py` | `tests/heads/test_dldl.py` |\n\n`tests/test_wheel.py` builds a wheel.\n",
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        (
            {"agegender/heads/sord.py": ""},
            ["agegender/heads/sord.py: neither tests/heads/test_sord.py nor a line in tests/README.md"],
        ),
        (
            {"tests/heads/test_conf.py": ""},
            ["tests/heads/test_conf.py: neither the test of a module nor named in tests/README.md"],
        ),
        (
            {"agegender/errors.py": None},
            ["tests/README.md: there is no agegender/errors.py"],
        ),
        ({"tests/test_wheel.py": None}, ["tests/README.md: there is no tests/test_wheel.py"]),
        ({"tests/test_errors.py": ""}, ["tests/README.md: agegender/errors.py has its own test file"]),
        (
            {"tests/README.md": "`agegender/errors.py` `tests/test_wheel.py`"},
            ["agegender/errors.py: neither tests/test_errors.py nor a line in tests/README.md"],
        ),
    ],
)
def test_a_gap_is_found(changes: dict[str, str | None], expected: list[str], tmp_path: Path) -> None:
    for name, text in {**GOOD, **changes}.items():
        if text is not None:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
    assert problems(tmp_path) == expected
