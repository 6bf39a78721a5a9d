"""What the topics of the store (accounts, drafts, ratings, ...) have in common."""

from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from serving.errors import BadInput
from serving.store.database import Database
from serving.store.models import Base

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")


class Topic:
    """One part of the store, over the shared database."""

    def __init__(self, database: Database) -> None:
        self._db = database


def record(kind: type[Record], row: object) -> Record:
    """Return the row as a record of this kind: fields and columns have the same names."""
    return kind(**{field.name: getattr(row, field.name) for field in fields(kind)})


def insert_missing(session: Session, table: type[Base], **values: Any) -> None:
    """Insert the row unless one with the same unique key is there, also under concurrency."""
    if session.get_bind().dialect.name == "sqlite":
        session.execute(sqlite.insert(table).values(**values).on_conflict_do_nothing())
    else:
        session.execute(postgresql.insert(table).values(**values).on_conflict_do_nothing())


def require_one_of(what: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise BadInput unless the value is one of those allowed."""
    if value not in allowed:
        raise BadInput(f"The {what} must be one of: {', '.join(allowed)}.")


def require_name(what: str, value: str, longest: int = 200) -> None:
    """Raise BadInput where the name is blank or longer than `longest` characters."""
    if not value.strip() or len(value) > longest:
        raise BadInput(f"The {what} must have 1 to {longest} characters and not be blank.")
