"""No fixture has the name of a fixture of a directory above.

A session fixture that uses ``faces`` is built with the ``faces`` of the first test that needs it. If that test had a
``faces`` of its own, every later test would get the wrong one.
"""

import ast
from pathlib import Path

TESTS = Path(__file__).resolve().parent


def fixtures(file: Path) -> set[str]:
    """The names of the fixtures that a file defines."""
    nodes = [node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)]
    return {node.name for node in nodes if any("fixture" in ast.unparse(one) for one in node.decorator_list)}


def overriding(tests: Path) -> list[str]:
    """One line for each fixture that has the name of a fixture in a ``conftest.py`` above it."""
    shared = {file.parent: fixtures(file) for file in tests.rglob("conftest.py")}
    return sorted(
        f"{file.relative_to(tests)}: {name} overrides that of {(folder / 'conftest.py').relative_to(tests)}"
        for file in tests.rglob("*.py")
        for folder in file.parents
        if file != folder / "conftest.py"
        for name in fixtures(file) & shared.get(folder, set())
    )


def test_no_fixture_overrides_another() -> None:
    assert overriding(TESTS) == []


def test_an_overriding_fixture_is_found(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("conftest.py", "data/test_cache.py"):
        (tmp_path / name).write_text("import pytest\n\n@pytest.fixture(scope='session')\ndef faces():\n    return 1\n")
    assert overriding(tmp_path) == ["data/test_cache.py: faces overrides that of conftest.py"]
