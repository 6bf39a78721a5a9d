"""An app over a real store with stand-ins for what needs an engine."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from serving.accounts.sign_in import create_token, local_account, sign_in, signin_link
from serving.api.app import new_app
from serving.client.gate import Gate
from serving.errors import BadInput
from serving.evidence import Support
from serving.jobs.ask_events import AskAnswer, AskEvent, Delta, Final, Passages, Place, Sentence
from serving.jobs.draft_job import DraftJob, SectionState
from serving.jobs.planning import NoteTokens, Plan
from serving.jobs.tagging import TagResult
from serving.models.registry import ModelStatus, Served
from serving.notes import Admission
from serving.retrieval.collections import Passage
from serving.retrieval.scopes import REFERENCE
from serving.settings import Settings
from serving.store import Store
from serving.store.records import Role
from tasks.base import Span

BASE = "http://127.0.0.1:7860"


@dataclass
class Drafting:
    """Writes `words` into each section, one by one; waits for ever at the end if told so."""

    words: Sequence[str] = ("No ", "chest ", "pain.")
    endless: bool = False
    stopped: list[Any] = field(default_factory=list)
    error: Exception | None = None

    async def start(
        self,
        account_id: int,
        admission: Admission,
        note_ids: Sequence[str] | None = None,
        sections: Sequence[str] | None = None,
    ) -> DraftJob:
        if self.error:
            raise self.error
        used = tuple(NoteTokens(n, len(n.text)) for n in admission.notes[:1])
        left = tuple(NoteTokens(n, len(n.text)) for n in admission.notes[1:])
        job = DraftJob(
            id=7,
            account_id=account_id,
            admission_id=1,
            admission=admission,
            plan=Plan(used, left, 100),
            sections={name: SectionState() for name in sections or ("history", "follow_up")},
        )
        for name in job.sections:
            job.tasks[name] = asyncio.create_task(self._write(job, name))
        return job

    async def _write(self, job: DraftJob, name: str) -> None:
        state = job.sections[name]
        try:
            for word in self.words:
                state.status, state.text = "writing", state.text + word
                job.touch()
                await asyncio.sleep(0)
            if self.endless:
                await asyncio.Event().wait()
            state.status, state.output_id = "done", "f" * 32
        except asyncio.CancelledError:
            state.status = "stopped"
        job.touch()

    async def stop(self, job: DraftJob, section: str | None = None) -> None:
        for task in job.tasks.values():
            task.cancel()
        await asyncio.gather(*job.tasks.values(), return_exceptions=True)
        self.stopped.append(job.id)


@dataclass
class Tagging:
    cancelled: bool = False

    async def tag(self, account_id: int, task_id: str, text: str) -> TagResult:
        if text == "wait":
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
        if text == "fail":
            raise RuntimeError(f"cannot tag {text!r} of Wilhelmina Zaphod")
        if text == "group":
            raise ExceptionGroup("tasks", [BadInput("There is no text to tag.")])
        spans = (Span(0, 4, "Disease", text[:4]),)
        return TagResult(task_id, text, spans, (), 1, 0, "e" * 32)


PASSAGE = Passage("doc", "Gout", "Gout is treated with colchicine.", 0, 32, 0.9, REFERENCE)


@dataclass
class Asking:
    """Answers in three words; waits for ever before the last if asked to wait."""

    seen: list[Any] = field(default_factory=list)
    closed: bool = False

    async def ask(
        self, account_id: int, question: str, history: Sequence[Any] = (), **options: Any
    ) -> AsyncIterator[AskEvent]:
        self.seen.append((question, list(history), options))
        if not question.strip():
            raise BadInput("There is no question. Write one and ask again.")
        try:
            yield Passages((PASSAGE,), (PASSAGE,))
            yield Place(2)
            yield Delta("Colchicine ")
            if question == "wait":
                await asyncio.Event().wait()
            yield Delta("[1].")
            sentence = Sentence(0, 15, (1,), Support(0, 15, "Colchicine [1].", (1,)))
            yield Final(AskAnswer("Colchicine [1].", (sentence,), (PASSAGE,), output_id="a" * 32))
        finally:
            self.closed = True


@dataclass
class Registry:
    calls: list[tuple[Any, ...]] = field(default_factory=list)

    async def status(self) -> list[ModelStatus]:
        return [ModelStatus("smol", "checkpoint", "d" * 64, True, ("discharge",), 0)]

    def available(self) -> dict[str, Path]:
        return {"ner-lora": Path("/models/ner-lora")}

    async def load(self, folder: str) -> str:
        self.calls.append(("load", folder))
        return f"{folder}@0123456789ab"

    async def assign(self, alias: str, name: str | None, account_id: int) -> Served:
        self.calls.append(("assign", alias, name))
        return Served(alias, name or "smol", "d" * 64, None, "t")

    async def unload(self, name: str) -> None:
        self.calls.append(("unload", name))


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its tables, made once: migrating takes longer than most tests."""
    file = tmp_path_factory.mktemp("store") / "rounds.db"
    with Store(f"sqlite:///{file}") as store:
        store.migrate()
    return file


@pytest.fixture
def bench(tmp_path: Path, empty_database: Path) -> Iterator[Any]:
    settings = Settings(home=tmp_path / "home", max_upload_mb=1)
    settings.prepare_home()
    shutil.copy(empty_database, settings.home / "rounds.db")
    store = Store(settings.store_url)
    yield SimpleNamespace(
        settings=settings,
        store=store,
        engine=SimpleNamespace(state="ready", reason=""),
        gate=Gate(4, 10),
        drafting=Drafting(),
        tagging=Tagging(),
        asking=Asking(),
        registry=Registry(),
        require_engine=lambda: None,
    )
    store.close()


@pytest.fixture
def app(bench: Any) -> FastAPI:
    return new_app(bench, "<h1>sign in</h1>", [])


@pytest.fixture
def anyone(app: FastAPI) -> httpx.AsyncClient:
    """A client without credentials. Faults of ours come back as answers, as over the wire."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=BASE)


def bearer(store: Store, role: Role | None = None) -> dict[str, str]:
    """The header of a person with this role; None: the local admin."""
    account = store.accounts.ensure(f"a {role}", role) if role else local_account(store)
    return {"authorization": f"Bearer {create_token(store, account, 'test')[0]}"}


@pytest.fixture
def as_role(app: FastAPI, bench: Any) -> Callable[[Role | None], httpx.AsyncClient]:
    def client(role: Role | None = None) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        headers = bearer(bench.store, role)
        return httpx.AsyncClient(transport=transport, base_url=BASE, headers=headers)

    return client


@pytest.fixture
def local(as_role: Callable[..., httpx.AsyncClient]) -> httpx.AsyncClient:
    return as_role(None)


@pytest.fixture
def session_cookie(bench: Any) -> str:
    secret = sign_in(bench.store, signin_link(bench.store, BASE).split("code=")[1])
    assert secret is not None
    return secret


@pytest.fixture
def output_id(bench: Any) -> str:
    """A kept output to rate."""
    account = local_account(bench.store)
    kept = bench.store.outputs.add(
        account.id,
        task="discharge",
        section="history",
        alias="discharge",
        served_model="smol",
        model_digest="d" * 64,
        adapter_digest=None,
        template_hash="t" * 64,
        params={"temperature": 0.0},
        input_digest="i" * 64,
        text="No chest pain.",
        prompt_tokens=10,
        completion_tokens=4,
        finish_reason="stop",
        stopped=False,
    )
    found: str = kept.id
    return found


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[str]:
    """The app behind a real server, for what only a real connection shows; yields its URL."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:  # noqa: ASYNC110 - it has no event for it
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving
