"""Alembic's entry: runs the migrations on the connection that serving/store/migrate.py hands in.

A connection handed in is inside a transaction already, so either all migrations happen or none.
"""

from alembic import context

from serving.store.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite changes a table by making it anew
)
with context.begin_transaction():
    context.run_migrations()
