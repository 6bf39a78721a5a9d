"""Column types that behave the same on SQLite and Postgres."""

import re
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, Text
from sqlalchemy.types import TypeDecorator

from serving.errors import BadInput

UNSTORABLE = (
    "The text holds a character that cannot be stored (U+0000 or half of a surrogate pair). "
    "Remove it and try again."
)
_SURROGATE = re.compile("[\ud800-\udfff]")


def now() -> datetime:
    """Return the present moment in UTC."""
    return datetime.now(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment, timezone-aware and in UTC on the way in and on the way out.

    SQLite keeps no zone, so UTC is stored and the zone is put back on reading.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment in UTC; raise BadInput where it has no time zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise BadInput("A time without a time zone cannot be stored. Give the zone, e.g. UTC.")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return the moment with UTC as its zone."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class ExactText(TypeDecorator[str]):
    """Text that comes back exactly as it went in, on both databases, or is refused.

    Postgres cannot hold U+0000 and no database can hold half of a surrogate pair.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Return the text unchanged; raise BadInput where it cannot be stored exactly."""
        if value is not None and not storable(value):
            raise BadInput(UNSTORABLE)
        return value


def storable(text: str) -> bool:
    """Tell whether every character can be stored on every database."""
    return "\0" not in text and not _SURROGATE.search(text)
