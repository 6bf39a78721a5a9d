"""Shared by all tests: settings in a temporary home, the real model, one real engine."""

import asyncio
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import hypothesis
import pytest

from serving import offline
from serving.models.files import ModelFiles, ensure_model
from serving.settings import Settings

pytest_plugins = ["tests.netguard"]  # any connection beyond loopback fails the run
offline.apply()
hypothesis.settings.register_profile("rounds", deadline=None)  # no test depends on speed
hypothesis.settings.load_profile("rounds")
READY_WITHIN_S = 300


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the browser last: Playwright keeps an event loop running in the main thread for the
    rest of the run, beside which no asynchronous test can run.
    """
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of this test alone; settings read from the environment point to it."""
    folder = tmp_path / "home"
    monkeypatch.setenv("ROUNDS_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """Where the default model is kept between runs (it is converted only once)."""
    return Settings(home=Path(os.environ.get("ROUNDS_TEST_HOME") or Settings().home)).models_path


@pytest.fixture(scope="session")
def default_model(models_dir: Path) -> ModelFiles:
    """The default model's files, fetched and converted if this machine has not done so yet."""
    return ensure_model(Settings(models_dir=models_dir))


@dataclass(frozen=True)
class EngineServer:
    """A real vLLM server with the default model."""

    url: str
    key: str
    model: ModelFiles


@pytest.fixture(scope="session")
def engine_server(
    default_model: ModelFiles, models_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EngineServer]:
    """One real vLLM server for the whole run, supervised in a thread of its own.

    While developing, ROUNDS_TEST_VLLM_URL and ROUNDS_TEST_VLLM_KEY lend one that already runs.
    """
    if url := os.environ.get("ROUNDS_TEST_VLLM_URL"):
        yield EngineServer(url, os.environ.get("ROUNDS_TEST_VLLM_KEY", ""), default_model)
        return
    from serving.engine.supervisor import Engine

    settings = Settings(
        home=tmp_path_factory.mktemp("engine"), models_dir=models_dir, kv_cache_gib=1
    )
    up: Future[EngineServer] = Future()
    stop = asyncio.Event()
    loop = asyncio.new_event_loop()

    async def live() -> None:
        engine = Engine(settings, default_model)
        try:
            await engine.start()
            await engine.wait_ready(READY_WITHIN_S)
            up.set_result(EngineServer(engine.base_url, engine.api_key or "", default_model))
            await stop.wait()
        except Exception as error:
            up.set_exception(error)
        finally:
            await engine.stop()

    thread = threading.Thread(target=loop.run_until_complete, args=(live(),), name="engine")
    thread.start()
    try:
        yield up.result(READY_WITHIN_S + 30)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@pytest.fixture
def engine_settings(home: Path, engine_server: EngineServer, models_dir: Path) -> Settings:
    """Settings of a workbench that uses the real engine, with a home of its own."""
    return Settings(
        home=home,
        models_dir=models_dir,
        model=str(engine_server.model.path),
        vllm_url=engine_server.url,
        vllm_key=engine_server.key,  # type: ignore[arg-type]
    )


@pytest.fixture
async def engine_client(engine_server: EngineServer):  # type: ignore[no-untyped-def]
    """A client of the real engine, with the model's own template."""
    from serving.client import EngineClient
    from tasks.presets import from_model_folder

    client = EngineClient(
        engine_server.url,
        engine_server.key,
        from_model_folder(engine_server.model.path),
        model=engine_server.model.name,
    )
    yield client
    await client.close()
