"""An engine with a small real server in vLLM's place."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from serving.engine.handle import EngineHandle
from serving.engine.supervisor import Engine, Pace
from serving.errors import EngineUnavailable, StoreUnavailable
from serving.models.files import ModelFiles
from serving.settings import Settings

FAKE = Path(__file__).with_name("fake_server.py")
QUICK = Pace(poll=0.05, health=0.05, first_wait=0.05, longest_wait=0.2, grace=0.5)
Make = Callable[..., Engine]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", kv_cache_gib=1, engine_timeout_s=20)


@pytest.fixture
def model(tmp_path: Path) -> ModelFiles:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"0" * 1000)
    return ModelFiles(folder, "fake", "0" * 64, False)


@pytest.fixture
async def make(settings: Settings, model: ModelFiles, tmp_path: Path) -> AsyncIterator[Make]:
    made: list[Engine] = []

    def make(mode: str = "ok", on_ready: Any = None, pace: Pace = QUICK, **more: Any) -> Engine:
        command = [sys.executable, str(FAKE), "{port}", str(tmp_path), mode]
        made.append(Engine(settings, model, on_ready, command=command, pace=pace, **more))
        return made[-1]

    yield make
    for engine in made:
        await engine.stop()


def starts(folder: Path) -> list[list[str]]:
    path = folder / "starts"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


async def until(what: Callable[[], bool], seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not what():  # noqa: ASYNC110 - it looks at files and processes, which tell no event
            await asyncio.sleep(0.02)


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def command_line(pid: int | None) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


FAILURES = (
    EngineUnavailable("The engine cannot be reached."),
    StoreUnavailable("The database is locked."),
    httpx2.ReadError("a note about Mr Smith"),
    ValueError("a note about Mr Smith"),
)


class FailsAtFirst:
    """What follows a start: fails once in each of the ways, then never again."""

    def __init__(self, engine: EngineHandle) -> None:
        self.engine, self.seen, self._failures = engine, list[tuple[str, str]](), list(FAILURES)

    async def __call__(self) -> None:
        self.seen.append((self.engine.state, self.engine.reason))
        if self._failures:
            raise self._failures.pop(0)

    def check_told(self, state: str) -> None:
        """Each failure was told at once, in its own words only where those are for the user."""
        assert [told for told, _ in self.seen[1:]] == [state] * len(FAILURES)
        reasons = [reason for _, reason in self.seen[1:]]
        assert reasons[:2] == [str(failure) for failure in FAILURES[:2]]
        assert all("tried again" in reason for reason in reasons[2:])
