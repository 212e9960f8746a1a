"""The database of a study: SQLite beside the sweep, or a server that several machines share. Its password is never shown."""

import os
import random
import re
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from alembic.util import CommandError
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError

from agegender.errors import AgeGenderError

KEY = "hydra.sweeper.storage"
FILE = "study.sqlite3"  # of the sweep directory
NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")
TRIALS_LOST_AFTER = 4  # heartbeats that a driver may miss
ATTEMPTS = 20  # to create the tables, if other drivers do so at the same time
PSYCOPG = ("postgresql", "postgres")  # names without a driver mean the one of the extra


def database_url(storage: str | None, sweep: Path) -> URL:
    """The address of the database.

    Args:
        storage: A URL, or the name of an environment variable that holds one; None for a file in the sweep directory.
        sweep: The sweep directory.

    Raises:
        AgeGenderError: There is no such variable, or the text is not a URL.
    """
    if storage is None:
        return URL.create("sqlite", database=str(sweep.absolute() / FILE))
    text = str(storage)
    source = KEY
    if NAME.fullmatch(text):
        source = f"{KEY}={text}"
        if text not in os.environ:
            raise AgeGenderError(f"{source}: there is no environment variable of this name, and it is not a database URL")
        text = os.environ[text]
    try:
        url = make_url(text)
    except (SQLAlchemyError, ValueError):
        # The text is not shown: it may hold a password.
        raise AgeGenderError(
            f"{source}: not a database URL. Allowed: a URL like postgresql://USER:PASSWORD@HOST/DATABASE or sqlite:///FILE, "
            "or the name of an environment variable that holds one"
        ) from None
    return url.set(drivername="postgresql+psycopg") if url.drivername in PSYCOPG else url


def shown(url: URL) -> str:
    """A URL without user, password and options."""
    return URL.create(url.drivername, host=url.host, port=url.port, database=url.database).render_as_string()


def open_storage(url: URL, heartbeat: int) -> RDBStorage:
    """Opens the database and creates the tables of Optuna if they are missing.

    A trial without a heartbeat for four times the interval counts as lost with its driver, and is asked again.

    Args:
        url: From ``database_url``.
        heartbeat: Seconds between two heartbeats of a running trial.

    Raises:
        AgeGenderError: It cannot be opened. The message names the database, never its password.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=ExperimentalWarning)
    warnings.filterwarnings("ignore", message="Heartbeat of storage is supposed to be used with")
    sqlite = url.get_backend_name() == "sqlite"
    if sqlite and url.database:
        try:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AgeGenderError(f"{KEY}: {shown(url)}: cannot be opened: {error.strerror}") from error
    for attempt in range(ATTEMPTS):
        try:
            return RDBStorage(
                url.render_as_string(hide_password=False),
                engine_kwargs={"connect_args": {"timeout": 60}} if sqlite else {"pool_pre_ping": True},
                heartbeat_interval=heartbeat,
                grace_period=TRIALS_LOST_AFTER * heartbeat,
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(inherit_intermediate_values=True),
            )
        except (IntegrityError, OperationalError, ProgrammingError, AssertionError, CommandError) as error:
            # Drivers that start together create the same tables: all but one fail, and find them a little later.
            racing = isinstance(error, IntegrityError | AssertionError | CommandError) or "already exists" in str(error)
            if not racing or attempt == ATTEMPTS - 1:
                raise AgeGenderError(f"{KEY}: {shown(url)}: cannot be opened: {reason_of(error, url)}") from None
            time.sleep(random.uniform(0.05, 0.3))
        except (SQLAlchemyError, ImportError, RuntimeError, ValueError, TypeError) as error:
            raise AgeGenderError(f"{KEY}: {shown(url)}: cannot be opened: {reason_of(error, url)}") from None
    raise AssertionError  # the last attempt returns or raises


@contextmanager
def database_errors(url: URL) -> Iterator[None]:
    """Turns an error of the database into one line.

    Raises:
        AgeGenderError: The database reports an error, for example because its server has stopped or its disk is full.
    """
    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        raise AgeGenderError(
            f"{KEY}: {shown(url)}: {reason_of(error.__cause__ or error, url)}. The same command continues the search"
        ) from None


def reason_of(error: BaseException, url: URL) -> str:
    """What a database reports, in one line and without its password."""
    cause = getattr(error, "orig", None) or error
    text = next((line.strip() for line in str(cause).splitlines() if line.strip()), type(cause).__name__)
    secrets = [str(url.password)] if url.password else []
    secrets += [value for key, value in url.query.items() if "password" in key and isinstance(value, str)]
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
