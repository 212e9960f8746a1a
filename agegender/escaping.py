"""Escapes text that others may have written, such as names of files and runs, for each medium that shows it.

A file name may hold line breaks, terminal control sequences, characters that reverse the reading direction, Markdown, HTML or a
formula of a spreadsheet. Escaped text is shown as it is spelled and does nothing else.
"""

import html as _html
import re
from typing import Any

JOINERS = "\u200c\u200d"  # invisible, but needed to write Persian, Hindi and some emoji
_FORMULA = tuple("=+-@\t\r\n")  # a spreadsheet evaluates a cell that begins with one of these
_MARKDOWN = re.compile(
    r"""[\\`*\[\]<>&|~$]                     # emphasis, code, links, HTML, entities, cells of tables, formulas
    | (?<![^\W_])_ | _(?![^\W_])             # emphasis; an underscore inside a word means nothing
    | ^\#(?=\#*(\s|$)) | \#(?=\#*$) | ^[-+=](?=\s|[-+=]|$)  # at the ends of a line: headings, lists, rules
    | :(?=//) | (?<=\bwww)\.                 # addresses, which become links""",
    re.VERBOSE | re.IGNORECASE,
)
_NUMBERED = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")  # list


def one_line(text: object) -> str:
    r"""Text for one line of a terminal or a log.

    Characters that are not printable are spelled out, as in ``repr``: a line break becomes ``\n``, a byte of a file name that
    is not UTF-8 becomes ``\xff``, a character that reverses the reading direction becomes ``\u202e``.

    Args:
        text: Anything; its ``str`` is taken.
    """
    line = str(text)
    return line if line.isprintable() else "".join(map(_spelled, line))


def _spelled(character: str) -> str:
    if character.isprintable() or character in JOINERS:
        return character
    if "\udc80" <= character <= "\udcff":  # how Python represents a byte of a file name that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def csv_cell(value: Any) -> Any:
    """A cell of a CSV file that people open in a spreadsheet.

    Text is on one line. Text that a spreadsheet would evaluate as a formula gets an apostrophe in front. Numbers and None are
    returned unchanged.
    """
    if value is None or isinstance(value, int | float):
        return value
    return ("'" if str(value).startswith(_FORMULA) else "") + one_line(value)


def markdown(text: str) -> str:
    """Plain text for a line or a table cell of GitHub's Markdown."""
    return _NUMBERED.sub(r"\1\\\2", _MARKDOWN.sub(r"\\\g<0>", one_line(text).strip()))


def html(text: str) -> str:
    """Plain text for the content or an attribute of an HTML element."""
    return _html.escape(one_line(text))


def in_plot(text: str) -> str:
    """Plain text for matplotlib, which reads text between dollar signs as a formula and hides labels that begin with ``_``."""
    line = one_line(text).replace("$", r"\$")
    return f" {line}" if line.startswith("_") else line
