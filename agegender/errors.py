"""The exception for errors that a user can cause and fix."""

import re

from agegender.escaping import one_line

PASSWORD = re.compile(r"(://[^\s/:@]*:)[^\s@]*(?=@)|([?&]password=)[^\s&'\"]*")  # in the URL of a database; it is not shown
LONGEST, KEPT = 1500, 300  # characters of a line, and of the start and the end of a longer one


class AgeGenderError(Exception):
    """Invalid input. The message names the file or configuration key, the problem and the allowed values.

    Entry points print the message without a traceback.

    Args:
        *lines: The message, one argument a line. Names of files and values may come from others, so line breaks and other
            control characters in a line are spelled out, and a very long line is shortened.

    Attributes:
        status: Exit status of a command that ends with this error.
    """

    status = 2

    def __init__(self, *lines: object) -> None:
        super().__init__(*lines)

    @property
    def lines(self) -> list[str]:
        """The message, ready to be printed."""
        lines = [str(line) for line in self.args]
        # A data loader repeats the error of a worker process as "Caught ... Traceback ... module.Class: MESSAGE\n".
        marker = f"{type(self).__module__}.{type(self).__qualname__}: "
        if len(lines) == 1 and marker in lines[0]:
            lines = lines[0].rpartition(marker)[2].rstrip().splitlines()
        return [_shown(one_line(line)) for line in lines]

    def __str__(self) -> str:
        return "\n".join(self.lines)


def _shown(line: str) -> str:
    line = PASSWORD.sub(r"\1\2***", line)
    return f"{line[:KEPT]} ... {line[-KEPT:]}" if len(line) > LONGEST else line
