"""Database failures in words that a user can act on.

What a driver says may quote the row it failed on ("Failing row contains ..."), which is
patient text. So only its error code is read, and none of its words are passed on.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from serving.errors import BadInput, Conflict, RoundsError, StoreUnavailable

_BUSY = "The database is busy with another write, so nothing was saved. Try again in a moment."
_FULL = "The disk of the database is full, so nothing was saved. Make room, then try again."
_READ_ONLY = (
    "The database may not be written to. Check the owner and the permissions of its file and "
    "folder (SQLite), or of its role (Postgres)."
)
_CANNOT_OPEN = (
    "The database file cannot be opened. Check that its folder exists and that this user may "
    "write there (ROUNDS_HOME, ROUNDS_DATABASE_URL)."
)
_DAMAGED = (
    "The database file is damaged or is not a database. Put it aside and restore the last backup."
)
_DISK = "The disk of the database failed while reading or writing. Check the disk, then restart."
_UNREACHABLE = (
    "The database cannot be reached. Check that it runs and that ROUNDS_DATABASE_URL names the "
    "right host, database, user and password."
)
_OLD_SCHEMA = (
    "The tables of the database do not fit this version of Rounds. Restart Rounds: it brings "
    "them up to date at start."
)
_CLASH = "The change clashes with what is already stored, so nothing was saved. Reload and retry."
_UNFIT = "A value is too large or of the wrong kind to be stored, so nothing was saved."

# By the start of SQLite's error name, or of Postgres' SQLSTATE; the first that fits counts.
_SQLITE = (
    ("SQLITE_BUSY", _BUSY),
    ("SQLITE_LOCKED", _BUSY),
    ("SQLITE_FULL", _FULL),
    ("SQLITE_READONLY", _READ_ONLY),
    ("SQLITE_CANTOPEN", _CANNOT_OPEN),
    ("SQLITE_CORRUPT", _DAMAGED),
    ("SQLITE_NOTADB", _DAMAGED),
    ("SQLITE_IOERR", _DISK),
    ("SQLITE_ERROR", _OLD_SCHEMA),
)
_POSTGRES = (
    ("55P03", _BUSY),  # lock not available
    ("57014", _BUSY),  # query cancelled
    ("40", _BUSY),  # deadlock, serialization failure
    ("53100", _FULL),
    ("53", _BUSY),  # too many connections, out of memory
    ("25006", _READ_ONLY),
    ("42501", _READ_ONLY),
    ("42", _OLD_SCHEMA),  # undefined table or column
    ("58", _DISK),
    ("XX", _DAMAGED),
)


@contextmanager
def explained() -> Iterator[None]:
    """Turn whatever the database raises inside into an error of serving/errors.py.

    The original is not chained: its text could hold what was being written.
    """
    try:
        yield
    except exc.SQLAlchemyError as error:
        raise explain(error) from None
    except OverflowError:  # sqlite3 raises it bare for an integer beyond 64 bits
        raise BadInput(_UNFIT) from None


def explain(error: exc.SQLAlchemyError) -> RoundsError:
    """Return the error to show for this failure."""
    original = getattr(error, "orig", None)
    if isinstance(original, RoundsError):  # raised by a column type, wrapped on its way here
        return original
    if isinstance(error, exc.TimeoutError):  # no connection free in the pool
        return StoreUnavailable(_BUSY)
    if isinstance(error, exc.IntegrityError):
        return Conflict(_CLASH)
    if isinstance(error, exc.DataError) or not isinstance(error, exc.DBAPIError):
        return BadInput(_UNFIT)
    code = getattr(original, "sqlite_errorname", None) or getattr(original, "sqlstate", None) or ""
    known = _SQLITE if code.startswith("SQLITE_") else _POSTGRES
    for start, message in known:
        if code.startswith(start):
            return StoreUnavailable(message)
    if not code or code.startswith(("08", "28", "3D", "57P")):
        return StoreUnavailable(_UNREACHABLE)
    return StoreUnavailable(f"The database refused the request (its error code: {code}).")
