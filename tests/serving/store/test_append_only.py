"""The database itself refuses to change or remove what was written, whoever asks."""

# ruff: noqa: S608 - the only names put into SQL are those of our own tables

from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from serving.notes import Admission
from serving.store import Store
from serving.store.models import Base
from serving.store.records import Account, Output, SectionText
from tasks.base import Span

PROTECTED = ["outputs", "draft_versions", "annotations", "ratings", "alias_assignments"]


@pytest.fixture
def full(store: Store, ada: Account, output: Output, admission: Admission) -> Store:
    """A store with one row in every protected table."""
    draft = store.drafts.create(ada.id, store.admissions.save(ada.id, admission))
    sections = {"follow_up": SectionText("x", output.id)}
    store.drafts.add_version(draft.id, ada.id, sections, "generated", 0)
    store.annotations.add(ada.id, task="ner", text="flu", spans=[Span(0, 3, "Disease", "flu")])
    store.ratings.add(ada.id, output.id, 3, "so so")
    store.models.assign("ner", "smollm2", None, ada.id)
    return store


def run(store: Store, sql: str) -> None:
    with store._database.engine.begin() as connection:
        connection.execute(text(sql))


def rows(store: Store, table: str) -> list[tuple[object, ...]]:
    with store._database.engine.begin() as connection:
        return [tuple(row) for row in connection.execute(Base.metadata.tables[table].select())]


@pytest.mark.parametrize("table", PROTECTED)
@pytest.mark.parametrize("statement", ["UPDATE {0} SET {1} = {1}", "DELETE FROM {0}"])
def test_change_and_removal_are_refused(full: Store, table: str, statement: str) -> None:
    before = rows(full, table)
    assert len(before) == 1
    for column in Base.metadata.tables[table].columns:
        with pytest.raises(DBAPIError, match=f"{table} is append-only"):
            run(full, statement.format(table, column.name))
    assert rows(full, table) == before


@pytest.mark.parametrize("table", PROTECTED)
def test_other_ways_round_are_refused(full: Store, table: str) -> None:
    """INSERT OR REPLACE (SQLite) and TRUNCATE (Postgres) ask no trigger on DELETE."""
    before = rows(full, table)
    keys = [column.name for column in Base.metadata.tables[table].primary_key]
    first, *_ = keys
    if full._database.is_sqlite:
        ways = [
            f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
            f"REPLACE INTO {table} SELECT * FROM {table}",
            f"INSERT INTO {table} SELECT * FROM {table} WHERE true "
            f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {first} = {first}",
            f"UPDATE OR REPLACE {table} SET {first} = {first}",
        ]
    else:
        ways = [
            f"TRUNCATE {table} CASCADE",
            f"INSERT INTO {table} SELECT * FROM {table} "
            f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {first} = EXCLUDED.{first}",
        ]
    for way in ways:
        with pytest.raises(DBAPIError, match="is append-only"):
            run(full, way)
    assert rows(full, table) == before


def test_the_rest_may_change(full: Store) -> None:
    """The triggers sit on the five tables alone."""
    run(full, "UPDATE accounts SET role = 'auditor'")
    (account,) = full.accounts.all()
    assert account.role == "auditor"


def test_nothing_is_removed_in_cascade(full: Store, add_output: Callable[..., Output]) -> None:
    for table in ("accounts", "admissions", "drafts"):
        with pytest.raises(DBAPIError, match=r"(?i)foreign key"):
            run(full, f"DELETE FROM {table}")
    for made in Base.metadata.tables.values():
        assert all(key.ondelete is None for key in made.foreign_keys)


def test_foreign_keys_are_enforced(store: Store) -> None:
    with pytest.raises(DBAPIError, match=r"(?i)foreign key"):
        run(
            store,
            "INSERT INTO drafts (owner, admission_id, created_at) VALUES (99, 99, '2026-01-01')",
        )
