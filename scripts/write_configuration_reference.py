"""Writes docs/configuration.md, the reference of every group, choice and key. Run it after a change of conf/ or of a class.

python scripts/write_configuration_reference.py
"""

import argparse
from pathlib import Path

from agegender.configuration.reference import reference

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    page = Path(__file__).resolve().parents[1] / "docs" / "configuration.md"
    parser.add_argument("--file", type=Path, default=page, help="where to write (default: docs/configuration.md)")
    parser.parse_args().file.write_text(reference(), encoding="utf-8")
