"""Bringing the schema up to date, from inside the program."""

import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import func, select, text

from serving.store.database import Database

_SCRIPTS = Path(__file__).with_name("migrations")
_LOCK_NUMBER = 7_860_110  # any number, the same in every process: Postgres' advisory lock
_one_at_a_time = threading.Lock()  # Alembic keeps its context in module globals


def upgrade(database: Database) -> None:
    """Run every migration that the database has not seen, in one transaction.

    A second process that starts meanwhile waits, and then finds nothing left to do. On SQLite
    the writing transaction itself holds the others off; on Postgres an advisory lock does.
    """
    config = _config()
    with _one_at_a_time, database.writing_connection() as connection:
        if not database.is_sqlite:
            connection.execute(text("SET LOCAL lock_timeout = '10min'"))  # a migration may be long
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK_NUMBER)))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def revisions(database: Database) -> tuple[str | None, str]:
    """Return the revision the database is at (None: blank), and the newest there is."""
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    with database.reading() as session:
        current = MigrationContext.configure(session.connection()).get_current_revision()
    return current, newest or ""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    return config
