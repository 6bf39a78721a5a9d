"""What is particular to the SQLite file: WAL, its mode, reopening, many writers."""

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from serving.notes import Admission
from serving.store import Store
from serving.store.records import SectionText


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "rounds.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store(f"sqlite:///{path}") as opened:
        opened.migrate()
        yield opened


def test_wal_is_really_on(store: Store, path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.accounts.ensure("ada", "admin")
    assert path.with_name("rounds.db-wal").stat().st_size > 0


def test_every_connection_is_prepared(store: Store) -> None:
    def pragma(name: str) -> object:
        return connection.execute(text(f"PRAGMA {name}")).scalar()

    connections = [store._database.engine.connect() for _ in range(3)]
    for connection in connections:
        assert pragma("foreign_keys") == 1
        assert pragma("synchronous") == 2  # FULL
        assert pragma("busy_timeout") == 30_000
        assert pragma("journal_mode") == "wal"
        connection.close()


def test_readers_do_not_wait_for_a_writer(store: Store) -> None:
    ada = store.accounts.ensure("ada", "admin")
    with store._database.writing() as session:
        session.execute(text("UPDATE accounts SET role = 'auditor'"))
        assert store.accounts.get(ada.id).role == "admin"
    assert store.accounts.get(ada.id).role == "auditor"


def test_file_and_folder_are_private(path: Path) -> None:
    before = os.umask(0)
    try:
        with Store(f"sqlite:///{path}") as store:
            store.migrate()
            store.accounts.ensure("ada", "admin")
            files = sorted(path.parent.iterdir())
            assert [file.name for file in files] == ["rounds.db", "rounds.db-shm", "rounds.db-wal"]
            assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    finally:
        os.umask(before)


def test_a_file_that_others_could_read_is_made_private(path: Path) -> None:
    path.parent.mkdir()
    path.touch(0o644)
    Store(f"sqlite:///{path}").close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_reopening_finds_everything(path: Path, admission: Admission) -> None:
    with Store(f"sqlite:///{path}") as first:
        first.migrate()
        ada = first.accounts.ensure("ada", "clinician")
        draft = first.drafts.create(ada.id, first.admissions.save(ada.id, admission))
        first.drafts.add_version(draft.id, ada.id, {"x": SectionText("kept")}, "generated", 0)
    with Store(f"sqlite:///{path}") as second:
        second.migrate()
        assert second.accounts.get(ada.id) == ada
        latest = second.drafts.latest(ada.id, draft.id)
        assert latest is not None
        assert latest.sections == {"x": SectionText("kept")}


def test_what_was_saved_survives_a_kill(path: Path) -> None:
    script = (
        "import os, signal, sys; from serving.store import Store; s = Store(sys.argv[1]);"
        "s.migrate(); s.accounts.ensure('ada', 'admin'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", script, f"sqlite:///{path}"]
    result = subprocess.run(command, cwd=root, check=False)
    assert result.returncode == -9
    with Store(f"sqlite:///{path}") as store:
        assert [account.name for account in store.accounts.all()] == ["ada"]


def test_twenty_writers_of_different_things_lose_nothing(
    store: Store, admission: Admission
) -> None:
    """Read-then-write transactions from 20 threads, each of which must find its lock."""

    def work(number: int) -> tuple[int, int]:
        owner = store.accounts.ensure(f"user {number}", "clinician").id
        draft = store.drafts.create(owner, store.admissions.save(owner, admission))
        for base in range(5):
            sections = {"follow_up": SectionText(f"{number}.{base}")}
            store.drafts.add_version(draft.id, owner, sections, "edited", base)
        return owner, draft.id

    with ThreadPoolExecutor(20) as pool:
        made = list(pool.map(work, range(20)))
    for number, (owner, draft_id) in enumerate(made):
        texts = [v.sections["follow_up"].text for v in store.drafts.versions(owner, draft_id)]
        assert texts == [f"{number}.{base}" for base in range(5)]


def test_many_processes_may_open_a_new_file_at_once(path: Path) -> None:
    script = (
        "import sys; from serving.store import Store; s = Store(sys.argv[1]); s.migrate();"
        "[s.accounts.ensure(f'{sys.argv[2]}-{n}', 'admin') for n in range(10)]; s.close()"
    )
    root = Path(__file__).parents[3]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, f"sqlite:///{path}", str(n)],
            cwd=root,
            stderr=subprocess.PIPE,
        )
        for n in range(4)
    ]
    for process in running:
        _, complaint = process.communicate(timeout=120)
        assert process.returncode == 0, complaint.decode()
    with Store(f"sqlite:///{path}") as store:
        assert len(store.accounts.all()) == 40
