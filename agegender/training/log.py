"""The log of a command: lines on the terminal and in a file, without library warnings that do not apply here."""

import logging
import sys
import warnings
from copy import copy
from pathlib import Path

from agegender.escaping import one_line
from agegender.processes import ranks
from agegender.whole_files import WriteError

LIBRARIES = ("lightning.pytorch", "lightning.fabric")
DO_NOT_APPLY = (
    ".*does not have many workers.*",  # on a CPU the main process loads the images: the model keeps the cores busy
    ".*is smaller than the logging interval.*",  # the epoch's metrics are logged in any case
    ".*LeafSpec.*is deprecated.*",  # inside PyTorch
    ".*sync_dist=True.*",  # metrics are summed over the ranks before they are logged
    ".*`srun` command is available.*",  # a job of SLURM is started by the launcher
    ".*exists and is not empty.*",  # a resumed run writes into its own directory
)


def silence_libraries() -> None:
    """Hides library warnings that do not apply here, and Lightning's messages below WARNING.

    On all ranks but the first it hides this package's messages below ERROR.
    """
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    if ranks.rank() > 0:
        logging.getLogger("agegender").setLevel(logging.ERROR)
    for message in DO_NOT_APPLY:
        warnings.filterwarnings("ignore", message=message)


def log_to(file: Path | None = None) -> None:
    """Prints the log of this package and appends it to a file, together with Lightning's warnings.

    Args:
        file: Created with its folder if it does not exist; None prints only. It replaces the file of an earlier job of
            the same process.
    """
    for name in ("agegender", *LIBRARIES):
        _close_files(logging.getLogger(name))
    console = logging.StreamHandler(sys.stdout)
    console.setFormatter(_OneLine("%(message)s"))
    logger = logging.getLogger("agegender")
    logger.setLevel(logging.INFO)
    logger.handlers = [console]
    logger.propagate = False
    if file is None:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    handler = _LogFile(file, encoding="utf-8")
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(message)s"))
    for name in ("agegender", *LIBRARIES):
        logging.getLogger(name).addHandler(handler)


class _LogFile(logging.FileHandler):
    def handleError(self, record: logging.LogRecord) -> None:
        """Ends the command, where the standard library prints a traceback and goes on."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            return super().handleError(record)
        raise WriteError(f"{self.baseFilename}: cannot be written: {error.strerror}") from error


class _OneLine(logging.Formatter):
    """Spells out control characters. A message has line breaks only if its template has, so a file name makes no new line."""

    def format(self, record: logging.LogRecord) -> str:
        text, several = record.getMessage(), "\n" in str(record.msg)
        escaped = copy(record)
        escaped.msg, escaped.args = "\n".join(map(one_line, text.split("\n") if several else [text])), None
        return super().format(escaped)


def _close_files(logger: logging.Logger) -> None:
    for handler in [one for one in logger.handlers if isinstance(one, logging.FileHandler)]:
        logger.removeHandler(handler)
        handler.close()
