"""The configuration files are found from the package, wherever a command runs."""

import os
import subprocess
import sys
from pathlib import Path

import agegender
from agegender.configuration.paths import CONF, PACKAGE


def test_the_package_and_its_configuration_files_are_found_from_another_directory(tmp_path: Path) -> None:
    assert Path(agegender.__file__).resolve().parent == PACKAGE
    assert (CONF / "train.yaml").is_file() and CONF.is_absolute()
    code = "from agegender.configuration.paths import CONF; print(CONF)"
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(CONF)
