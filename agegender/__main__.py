"""``python -m agegender``: lists the commands."""

import ast
from pathlib import Path

COMMANDS = ("data", "train", "evaluate", "compare", "predict", "export", "serve", "demo")


def main() -> None:
    """Prints a line for each command: the first of its docstring."""
    for name in COMMANDS:
        print(f"python -m agegender.{name:10}{_summary(name)}")
    print("\nEach explains its options with --help.")


def _summary(name: str) -> str:
    """What a command does. Its file is read, not imported, so that nothing has to be installed."""
    file = Path(__file__).with_name(f"{name}.py")
    if not file.exists():
        file = Path(__file__).parent / name / "__main__.py"
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return text.partition("\n\n")[0].replace("\n", " ").partition("``: ")[2]


if __name__ == "__main__":
    main()
