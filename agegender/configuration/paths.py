"""Where the package and its configuration files are."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
# A checkout has conf/ beside the package; the wheel carries a copy inside it.
CONF = next(path for path in (PACKAGE / "conf", PACKAGE.parent / "conf") if (path / "train.yaml").is_file())
