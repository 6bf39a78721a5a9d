"""Triggers that let nobody change or remove what was written.

A later migration that makes one of these tables anew must make its triggers anew too.
"""

# ruff: noqa: S608 - the only names put into SQL are those written below

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_KEYS = {
    "outputs": ("id",),
    "draft_versions": ("draft_id", "version"),
    "annotations": ("id",),
    "ratings": ("id",),
    "alias_assignments": ("id",),
}


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for table, keys in _KEYS.items():
            _sqlite(table, keys)
    else:
        _postgres()


def downgrade() -> None:
    raise NotImplementedError("Going back would delete what people wrote; restore a backup.")


def _sqlite(table: str, keys: tuple[str, ...]) -> None:
    refuse = f"SELECT RAISE(ABORT, '{table} is append-only')"
    for event in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table} "
            f"BEGIN {refuse}; END"
        )
    # INSERT OR REPLACE removes the old row without asking the trigger on DELETE.
    same = " AND ".join(f"{key} = NEW.{key}" for key in keys)
    op.execute(
        f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "
        f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) BEGIN {refuse}; END"
    )


def _postgres() -> None:
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
    )
    for table in _KEYS:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
