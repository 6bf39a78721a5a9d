"""The store: everything Rounds keeps, in SQLite by default or in Postgres by URL."""

from serving.store.store import Store

__all__ = ["Store"]
