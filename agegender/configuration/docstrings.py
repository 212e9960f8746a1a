"""Descriptions of constructor arguments, read from the Google-style docstring of a class without importing it."""

import ast
import inspect
import re

from agegender.configuration.signatures import constructor


def argument_texts(target: str) -> dict[str, str]:
    """The ``Args`` section of the class that defines the constructor of a class, one line of text for each argument.

    Args:
        target: Dotted path of the class.

    Returns:
        Empty where the source cannot be read or the docstring has no such section.
    """
    found = constructor(target)
    lines = inspect.cleandoc(ast.get_docstring(found[0]) or "").splitlines() if found else []
    if "Args:" not in lines:
        return {}
    texts: dict[str, str] = {}
    name = ""
    for line in lines[lines.index("Args:") + 1 :]:
        if line and not line.startswith(" "):  # the next section
            break
        if match := re.fullmatch(r"    (\w+): (.*)", line):
            name = match[1]
            texts[name] = match[2]
        elif name and line.strip():
            texts[name] += f" {line.strip()}"
    return texts


def summary(target: str) -> str:
    """The first line of the docstring of the class at a dotted path; empty where there is none."""
    found = constructor(target, inherited=False)
    return (ast.get_docstring(found[0]) or "").partition("\n")[0] if found else ""
