"""Registered adapters, and which model answers for which alias, with its whole history."""

from sqlalchemy import func, select

from serving.errors import BadInput, NotFound
from serving.store import models
from serving.store.records import Adapter, Assignment
from serving.store.topic import Topic, insert_missing, record, require_name
from serving.store.types import now


class Models(Topic):
    """What may be served, and who answers for which alias since when."""

    def register(
        self,
        *,
        alias: str,
        digest: str,
        path: str,
        rank: int,
        base_digest: str,
        card: str = "",
    ) -> Adapter:
        """Register an adapter under `alias@<first 12 hex of digest>` and return it.

        digest: SHA-256 hex over weights and config. Registering the same again brings its path
        and card up to date. Raises BadInput where the digest is not one, or where the name is
        taken by an adapter of other content.
        """
        require_name("alias", alias)
        if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
            raise BadInput("An adapter's digest must be a SHA-256 in lower-case hex.")
        name = f"{alias}@{digest[:12]}"
        with self._db.writing() as session:
            insert_missing(
                session,
                models.Adapter,
                name=name,
                alias=alias,
                digest=digest,
                path=path,
                rank=rank,
                base_digest=base_digest,
                registered_at=now(),
                card=card,
            )
            row = session.get_one(models.Adapter, name, with_for_update=True)
            if (row.digest, row.base_digest) != (digest, base_digest):
                raise BadInput(f"The name {name} is taken by an adapter of other content.")
            row.path, row.card = path, card
            return record(Adapter, row)

    def adapters(self) -> tuple[Adapter, ...]:
        """Return every registered adapter, newest first."""
        table = models.Adapter
        with self._db.reading() as session:
            rows = session.scalars(select(table).order_by(table.registered_at.desc(), table.name))
            return tuple(record(Adapter, row) for row in rows)

    def adapter(self, name: str) -> Adapter:
        """Return the adapter of this name; raise NotFound where there is none."""
        with self._db.reading() as session:
            row = session.get(models.Adapter, name)
            if row is None:
                raise NotFound("There is no such adapter. Register it first.")
            return record(Adapter, row)

    def assign(
        self, alias: str, served_model: str, adapter_digest: str | None, account_id: int
    ) -> Assignment:
        """Let `served_model` answer for `alias` (a task's id, as a rule) from now on.

        Raises NotFound for an unknown account, and for a digest that no registered adapter has.
        """
        require_name("alias", alias)
        require_name("served model", served_model, 1000)
        with self._db.writing() as session:
            if session.get(models.Account, account_id) is None:
                raise NotFound("There is no such account.")
            known = select(models.Adapter.name).where(models.Adapter.digest == adapter_digest)
            if adapter_digest is not None and session.scalars(known).first() is None:
                raise NotFound("There is no such adapter. Register it first.")
            row = models.AliasAssignment(
                alias=alias,
                served_model=served_model,
                adapter_digest=adapter_digest,
                account_id=account_id,
                assigned_at=now(),
            )
            session.add(row)
            session.flush()
            return record(Assignment, row)

    def current(self) -> dict[str, Assignment]:
        """Return who answers for each alias now."""
        table = models.AliasAssignment
        newest = select(func.max(table.id)).group_by(table.alias)
        with self._db.reading() as session:
            rows = session.scalars(select(table).where(table.id.in_(newest)).order_by(table.alias))
            return {row.alias: record(Assignment, row) for row in rows}

    def history(self, alias: str | None = None) -> tuple[Assignment, ...]:
        """Return all assignments, or one alias's, newest first."""
        table = models.AliasAssignment
        query = select(table).order_by(table.id.desc())
        if alias is not None:
            query = query.where(table.alias == alias)
        with self._db.reading() as session:
            return tuple(record(Assignment, row) for row in session.scalars(query))
