"""What goes wrong is said in words a user can act on, and never quotes what was written."""

import logging
import sqlite3
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from serving.errors import BadInput, Conflict, RoundsError, StoreUnavailable
from serving.notes import Admission, Note
from serving.store import Store
from serving.store import types as store_types
from serving.store.records import Account, Output

SECRET = "Mrs Quimby has HIV"


def everything_said(error: BaseException) -> str:
    """What any log handler could print of the error."""
    return "".join([*traceback.format_exception(error), str(error), repr(error), repr(error.args)])


def test_a_locked_sqlite_file(tmp_path: Path) -> None:
    path = tmp_path / "rounds.db"
    with Store(f"sqlite:///{path}", busy_timeout_s=0.1) as store:
        store.migrate()
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match=r"busy.*[Tt]ry again") as refusal:
                store.accounts.ensure(SECRET, "admin")
            assert store.accounts.all() == ()  # reading goes on
        assert refusal.value.status == 503
        assert SECRET not in everything_said(refusal.value)
        store.accounts.ensure("ada", "admin")


@pytest.mark.postgres
def test_a_locked_postgres_table(postgres_url: str) -> None:
    with Store(postgres_url, busy_timeout_s=0.1) as store:
        store.migrate()
        with psycopg.connect(postgres_url) as other:
            other.execute("LOCK TABLE accounts")
            with pytest.raises(StoreUnavailable, match=r"busy.*[Tt]ry again"):
                store.accounts.ensure("ada", "admin")
        store.accounts.ensure("ada", "admin")


def test_too_many_at_once_wait_and_then_are_told(database_url: str) -> None:
    with Store(database_url, busy_timeout_s=0.1) as store:
        engine = store._database.engine
        held = [engine.connect() for _ in range(engine.pool.size() + engine.pool._max_overflow)]  # type: ignore[attr-defined]
        with pytest.raises(StoreUnavailable, match="busy"):
            store.ping()
        for connection in held:
            connection.close()
        store.ping()


@pytest.mark.postgres
def test_postgres_that_is_not_there(tmp_path: Path, postgres_server: str) -> None:
    for url in (
        f"postgresql://u:hunter2@/x?host={tmp_path}",
        "postgresql://u:hunter2@127.0.0.1:1/x",
        f"postgresql://postgres:hunter2@/missing?host={postgres_server}",
        f"postgresql://nobody:hunter2@/postgres?host={postgres_server}",
    ):
        with Store(url) as store:
            for call in (store.ping, store.migrate, store.revisions):
                with pytest.raises(StoreUnavailable, match="ROUNDS_DATABASE_URL") as refusal:
                    call()
                assert "hunter2" not in everything_said(refusal.value)
            assert "hunter2" not in store.address


@pytest.mark.postgres
def test_connections_that_the_server_dropped_are_replaced(
    postgres_url: str, postgres_server: str
) -> None:
    with Store(postgres_url) as store:
        store.migrate()
        with psycopg.connect(f"host={postgres_server} user=postgres dbname=postgres") as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname LIKE 'test_%' AND pid <> pg_backend_pid()"
            )
        assert store.accounts.ensure("ada", "admin").name == "ada"


def test_a_file_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "rounds.db", tmp_path):
        with pytest.raises(StoreUnavailable, match="ROUNDS_HOME"):
            Store(f"sqlite:///{path}")


def test_a_file_that_is_not_a_database(tmp_path: Path) -> None:
    path = tmp_path / "rounds.db"
    path.write_text("Dear diary, " * 200)
    with Store(f"sqlite:///{path}") as store, pytest.raises(StoreUnavailable, match="backup"):
        store.migrate()
    assert path.read_text().startswith("Dear diary")


def test_a_full_disk(tmp_path: Path) -> None:
    with Store(f"sqlite:///{tmp_path / 'rounds.db'}") as store:
        store.migrate()
        owner = store.accounts.ensure("ada", "clinician").id
        big = Admission("1", notes=(Note("n", "Nursing", "", SECRET * 100_000),))
        with store._database.engine.connect() as connection:  # the pool's one connection
            pages = connection.execute(text("PRAGMA page_count")).scalar()
            connection.execute(text(f"PRAGMA max_page_count = {pages}"))
        with pytest.raises(StoreUnavailable, match="full") as refusal:
            store.admissions.save(owner, big)
        assert SECRET not in everything_said(refusal.value)
        assert store.admissions.list(owner) == ()


def test_a_database_without_tables(database_url: str) -> None:
    with Store(database_url) as store, pytest.raises(StoreUnavailable, match="Restart"):
        store.accounts.all()


@pytest.mark.parametrize(
    "url",
    ["", "rounds.db", "mysql://u:hunter2@h/x", "sqlite://", "sqlite:///:memory:", "postgres:x:y"],
)
def test_an_address_that_cannot_be_used(url: str) -> None:
    with pytest.raises(BadInput, match="ROUNDS_DATABASE_URL") as refusal:
        Store(url)
    assert "hunter2" not in everything_said(refusal.value)


def test_parameters_are_hidden_in_the_engines_own_errors(store: Store) -> None:
    assert store._database.engine.hide_parameters
    statement = text("INSERT INTO nowhere VALUES (:note)")
    with pytest.raises(SQLAlchemyError) as failure, store._database.engine.connect() as connection:
        connection.execute(statement, {"note": SECRET})
    assert "parameters hidden" in str(failure.value)
    assert SECRET not in everything_said(failure.value)


def test_parameters_are_hidden_in_the_engines_log(
    store: Store,
    ada: Account,
    add_output: Callable[..., Output],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store._database.engine, "echo", True)
    with caplog.at_level(logging.INFO, "sqlalchemy.engine.Engine"):
        output = add_output(ada, SECRET)
        store.ratings.add(ada.id, output.id, 3, SECRET, SECRET)
        store.admissions.save(ada.id, Admission("1", notes=(Note("n", "c", "", SECRET),)))
    assert "INSERT INTO outputs" in caplog.text
    assert "parameters hidden" in caplog.text
    assert SECRET not in caplog.text


def test_nothing_written_is_quoted_when_a_write_fails(
    store: Store,
    ada: Account,
    output: Output,
    admission: Admission,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Postgres quotes the whole row where a value is missing or fails a check."""
    secret_note = Admission("1", notes=(Note("n", "c", "", SECRET),))

    def broken() -> Any:
        return None  # every time is NOT NULL

    for module in ("outputs", "ratings", "admissions", "annotations", "drafts"):
        monkeypatch.setattr(f"serving.store.{module}.now", broken)
    attempts: list[Callable[[], object]] = [
        lambda: store.ratings.add(ada.id, output.id, 3, SECRET, SECRET),
        lambda: store.admissions.save(ada.id, secret_note),
        lambda: store.annotations.add(ada.id, task="ner", text=SECRET, spans=[]),
    ]
    for attempt in attempts:
        with pytest.raises(Conflict) as refusal:
            attempt()
        assert SECRET not in everything_said(refusal.value)


def test_refused_text_is_not_quoted(store: Store, ada: Account, output: Output) -> None:
    for text_ in (SECRET + "\0", SECRET + "\ud83d"):
        with pytest.raises(BadInput) as refusal:
            store.ratings.add(ada.id, output.id, 3, text_)
        assert str(refusal.value) == store_types.UNSTORABLE
        assert SECRET not in everything_said(refusal.value)
    assert store.ratings.count() == 0


def test_errors_of_the_caller_pass_through(store: Store) -> None:
    with pytest.raises(KeyError), store._database.writing():
        raise KeyError("mine")
    assert issubclass(StoreUnavailable, RoundsError)
