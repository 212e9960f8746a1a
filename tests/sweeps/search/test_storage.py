"""The database of a study: how it is named, that it opens for several at once, and that its password is not shown."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from agegender.errors import AgeGenderError
from agegender.sweeps.search.storage import database_errors, database_url, open_storage, shown

PASSWORD = "s3cret-w0rd"


def test_the_database_is_a_file_in_the_sweep_directory_or_what_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert database_url(None, Path("sweep")).database == str(tmp_path / "sweep" / "study.sqlite3")
    assert database_url("sqlite:///other.db", tmp_path).database == "other.db"
    monkeypatch.setenv("STUDY_DB", f"postgresql://me:{PASSWORD}@host:5433/studies")
    url = database_url("STUDY_DB", tmp_path)
    assert (url.drivername, url.password, url.port) == ("postgresql+psycopg", PASSWORD, 5433)
    assert database_url("mysql+pymysql://host/db", tmp_path).drivername == "mysql+pymysql"


def test_shown_without_anything_secret() -> None:
    assert shown(make_url(f"postgresql+psycopg://me:{PASSWORD}@host/db?password={PASSWORD}")) == "postgresql+psycopg://host/db"


@pytest.mark.parametrize(
    "text", [f"me:{PASSWORD}@host/db", f"postgresql:me:{PASSWORD}@host", f"postgresql://me:{PASSWORD}@host:x/db", ""]
)
def test_what_is_no_url_is_refused_and_not_shown(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AgeGenderError, match=r"hydra.sweeper.storage: not a database URL") as refused:
        database_url(text, tmp_path)
    assert PASSWORD not in str(refused.value)
    monkeypatch.setenv("STUDY_DB", text)
    with pytest.raises(AgeGenderError, match=r"hydra.sweeper.storage=STUDY_DB: not a database URL") as refused:
        database_url("STUDY_DB", tmp_path)
    assert PASSWORD not in str(refused.value)


def test_a_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(AgeGenderError, match=r"storage=NO_SUCH_VARIABLE: there is no environment variable"):
        database_url("NO_SUCH_VARIABLE", tmp_path)


def test_what_cannot_be_opened_is_named_without_its_password(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "text.db").write_text("not a database, but long enough to be taken for the header of one" * 20)
    for text in (
        f"postgresql+psycopg://me:{PASSWORD}@127.0.0.1:9/studies",
        f"nosuchdatabase://me:{PASSWORD}@host/studies",
        f"sqlite:///{tmp_path}/file/study.db",
        f"sqlite:///{tmp_path}/text.db",
    ):
        url = make_url(text)
        with pytest.raises(AgeGenderError) as refused:
            open_storage(url, 1)
        message = str(refused.value)
        assert message.startswith(f"hydra.sweeper.storage: {shown(url)}: cannot be opened: ")
        assert PASSWORD not in message and "\n" not in message


def test_a_wrong_password_is_not_shown(postgres: str) -> None:
    url = make_url(postgres).set(drivername="postgresql+psycopg", password=PASSWORD)
    with pytest.raises(AgeGenderError, match="password authentication failed") as refused:
        open_storage(url, 1)
    assert PASSWORD not in str(refused.value)


def test_an_error_of_the_database_during_the_search_is_one_line(tmp_path: Path) -> None:
    import optuna

    url = make_url(f"sqlite:///{tmp_path}/study.db")
    study = optuna.create_study(storage=open_storage(url, 1))
    (tmp_path / "study.db").write_text("damaged" * 10_000)
    message = r"storage: sqlite:///.*study.db: .*\. The same command continues"
    with pytest.raises(AgeGenderError, match=message) as refused, database_errors(url):
        study.ask()
    assert "\n" not in str(refused.value)


OPEN = """
import sys, time
import optuna
from sqlalchemy.engine import make_url
from agegender.sweeps.search.storage import open_storage
time.sleep(max(float(sys.argv[2]) - time.time(), 0))
storage = open_storage(make_url(sys.argv[1]), 1)
print(len(optuna.create_study(storage=storage, study_name="s", load_if_exists=True).trials))
"""


@pytest.mark.parametrize("server", [False, True], ids=["sqlite", "postgresql"])
def test_drivers_that_start_together_all_open_a_new_database(
    server: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if server:
        import sqlalchemy

        url = make_url(request.getfixturevalue("postgres")).set(drivername="postgresql+psycopg")
        with sqlalchemy.create_engine(url).connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sqlalchemy.text("create database fresh"))
        text = url.set(database="fresh").render_as_string(hide_password=False)
    else:
        text = f"sqlite:///{tmp_path}/study.db"
    start = str(time.time() + 5)
    together = [subprocess.Popen([sys.executable, "-W", "ignore", "-c", OPEN, text, start], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True) for _ in range(4)]  # fmt: skip
    for process in together:
        output, errors = process.communicate(timeout=120)
        assert output == "0\n", errors
