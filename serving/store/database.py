"""The connection to the database: one engine, with transactions for reading and for writing."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, make_url
from sqlalchemy.orm import Session

from serving.errors import BadInput, StoreUnavailable
from serving.store.failures import explained


class Database:
    """One database by URL: `sqlite:///path/to/file` or `postgresql://user:password@host/name`.

    busy_timeout_s: how long a transaction waits for another's lock before StoreUnavailable.
    Raises BadInput for a URL of another kind, StoreUnavailable where the SQLite file cannot
    be made.
    """

    def __init__(self, url: str, busy_timeout_s: float) -> None:
        self.url = _read_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            _make_private_file(Path(self.url.database or ""))
            self.engine = _sqlite_engine(self.url, busy_timeout_s)
        else:
            self.engine = _postgres_engine(self.url, busy_timeout_s)
        self._writer = self.engine.execution_options(writes=True)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a transaction that only reads; SQLite readers never wait for writers."""
        with explained(), Session(self.engine) as session, session.begin():
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Open a transaction that writes; committed at the end, rolled back on any exception."""
        with explained(), Session(self._writer) as session, session.begin():
            yield session

    @contextmanager
    def writing_connection(self) -> Iterator[Connection]:
        """Open a writing transaction as a bare connection, for migrations."""
        with explained(), self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _read_url(url: str) -> URL:
    try:
        parsed = make_url(url)
    except exc.ArgumentError:
        parsed = None
    backend = parsed.get_backend_name() if parsed is not None else ""
    if parsed is not None and backend == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return parsed
    if parsed is not None and backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    raise BadInput(
        "ROUNDS_DATABASE_URL cannot be used: give sqlite:///path/to/file.db or "
        "postgresql://user:password@host/database."
    )


def _make_private_file(path: Path) -> None:
    """Make the file, readable by this user only; SQLite gives its -wal and -shm the same mode."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise StoreUnavailable(
            f"The database file {path} cannot be opened for writing ({error.strerror}). "
            "Check its folder, or choose another by ROUNDS_HOME or ROUNDS_DATABASE_URL."
        ) from error


def _sqlite_engine(url: URL, busy_timeout_s: float) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,  # patient text must not get into exceptions and logs
        pool_size=8,
        max_overflow=56,  # a connection is a file handle: more threads than that queue
        pool_timeout=busy_timeout_s,
        connect_args={"timeout": busy_timeout_s},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself: see _begin
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise StoreUnavailable(
                "The database cannot use SQLite's WAL mode here (is its folder on a network "
                "drive?). Put it on a local disk, or use Postgres by ROUNDS_DATABASE_URL."
            )
        # FULL: a saved draft survives a power cut. NORMAL would lose the last commits, and the
        # time it saves does not matter at the pace at which people write.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A writer takes its lock at the start and waits for it there. One that read first
        # and asked for the lock later would fail at once if another wrote in between.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgres_engine(url: URL, busy_timeout_s: float) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,  # a restarted server is noticed before a request fails on it
        pool_size=8,
        max_overflow=24,
        pool_timeout=busy_timeout_s,
        connect_args={"connect_timeout": 10},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.execute(f"SET lock_timeout = {int(busy_timeout_s * 1000)}")
        connection.commit()

    return engine
