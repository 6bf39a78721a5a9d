"""The schema: made from blank, equal to the models, safe to make from several processes."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from serving.store import Store
from serving.store.models import Base

MIGRATE = (
    "import sys; from serving.store import Store; s = Store(sys.argv[1]); s.migrate(); s.close()"
)


def test_blank_database_becomes_the_newest(database_url: str) -> None:
    with Store(database_url) as store:
        before, newest = store.revisions()
        assert before is None
        store.migrate()
        assert store.revisions() == (newest, newest)
        tables = set(inspect(store._database.engine).get_table_names())
        assert tables == {*Base.metadata.tables, "alembic_version"}


def test_migrating_again_changes_nothing(store: Store) -> None:
    account = store.accounts.ensure("ada", "admin")
    store.migrate()
    assert store.accounts.get(account.id) == account


def test_migrated_schema_is_what_the_models_say(store: Store) -> None:
    with store._database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, Base.metadata) == []


def test_check_constraints_are_what_the_models_say(store: Store) -> None:
    """Alembic does not compare them, so the names are compared here."""
    inspector = inspect(store._database.engine)
    for name, table in Base.metadata.tables.items():
        wanted = {str(c.name) for c in table.constraints if str(c.name).startswith("ck_")}
        found = {c["name"] for c in inspector.get_check_constraints(name)}
        assert found == wanted


def test_a_failing_migration_leaves_nothing_behind(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second migration fails here once the first is done: neither may remain."""
    real_load = ScriptDirectory.from_config

    def fail() -> None:
        raise RuntimeError("power cut")

    def load_failing(config: Config) -> ScriptDirectory:
        scripts = real_load(config)
        monkeypatch.setattr(scripts.get_revision("0002").module, "upgrade", fail)
        return scripts

    with Store(database_url) as store:
        with monkeypatch.context() as patch:
            patch.setattr(ScriptDirectory, "from_config", load_failing)
            with pytest.raises(RuntimeError, match="power cut"):
                store.migrate()
        assert inspect(store._database.engine).get_table_names() == []
        store.migrate()
        assert store.revisions()[0] == "0002"


def test_several_processes_may_start_at_once(database_url: str) -> None:
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATE, database_url],
            stderr=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
        )
        for _ in range(4)
    ]
    for process in starts:
        _, complaint = process.communicate(timeout=120)
        assert process.returncode == 0, complaint.decode()
    with Store(database_url) as store:
        current, newest = store.revisions()
        assert current == newest


def test_several_threads_may_start_at_once(database_url: str) -> None:
    failures: list[BaseException] = []

    def start() -> None:
        try:
            with Store(database_url) as store:
                store.migrate()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
