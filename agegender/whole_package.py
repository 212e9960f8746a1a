"""Ends a command with one line where only the packages for prediction from a bundle are installed.

The commands that need more import it first.
"""

from importlib.util import find_spec

missing = [name for name in ("torch", "lightning", "hydra", "pandas") if find_spec(name) is None]
if missing:
    raise SystemExit(f"error: this command needs more packages ({', '.join(missing)}): pip install agegender")
