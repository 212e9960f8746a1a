from pathlib import Path

import pytest

from agegender import __main__ as listing


def test_every_command_is_listed_with_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    listing.main()
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("python -m ")]
    package = Path(listing.__file__).parent
    modules = [file for file in package.rglob("*.py") if '\nif __name__ == "__main__":' in file.read_text()]
    modules.remove(package / "__main__.py")
    names = {file.parent.name if file.stem == "__main__" else file.stem for file in modules}
    assert {line.split()[2].removeprefix("agegender.") for line in lines} == names
    assert all(len(line.split(maxsplit=3)[3]) > 20 and line.endswith(".") for line in lines)
