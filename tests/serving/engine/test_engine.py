"""The watch over the engine, with a small real server in vLLM's place (see test_engine_real)."""

import asyncio
import itertools
import json
import os
import signal
import socket
import stat
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from serving.engine import address as engine_file
from serving.engine import command as engine_command
from serving.engine import hardware
from serving.engine.handle import EngineHandle
from serving.engine.supervisor import Engine, ExternalEngine, Pace, connect_external, running_engine
from serving.errors import EngineUnavailable, ModelProblem, StoreUnavailable
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


async def test_ready_means_answering_and_warm(
    make: Make, settings: Settings, tmp_path: Path
) -> None:
    states: list[str] = []
    engine = make()

    async def note() -> None:
        states.append(engine.state)

    engine.on_ready = note
    assert engine.state == "stopped"
    await engine.start()
    await engine.wait_ready(20)

    assert engine.state == "ready"
    assert states == ["warming"]
    assert engine.ready_seconds and engine.started_at and engine.pid
    sent = [json.loads(line) for line in (tmp_path / "requests").read_text().splitlines()]
    kinds = [next(iter(body.get("structured_outputs", {})), None) for body in sent]
    assert kinds == [None, "json", "choice", "regex", None]
    assert sent[0]["stream"] is True and sent[-1]["logprobs"] == 1
    assert running_engine(settings) == (engine.base_url, engine.api_key)
    assert stat.S_IMODE(engine_file.path(settings).stat().st_mode) == 0o600
    assert stat.S_IMODE(engine.log.stat().st_mode) == 0o600

    pid = engine.pid
    await engine.stop()
    assert engine.state == "stopped"
    assert gone(pid)
    assert running_engine(settings) is None
    assert not engine_file.path(settings).exists()


async def test_the_key_is_random_and_not_on_the_command_line(make: Make) -> None:
    first, second = make(), make()
    for engine in (first, second):
        await engine.start()
        await engine.wait_ready(20)
    assert first.api_key and second.api_key and first.api_key != second.api_key
    assert len(first.api_key) >= 32
    assert first.base_url != second.base_url
    assert first.api_key not in command_line(first.pid)


async def test_after_a_kill_it_comes_back_with_the_same_address_and_key(
    make: Make, tmp_path: Path
) -> None:
    calls = 0

    async def count() -> None:
        nonlocal calls
        calls += 1

    engine = make(on_ready=count)
    await engine.start()
    await engine.wait_ready(20)
    url, key, pid = engine.base_url, engine.api_key, engine.pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    await until(lambda: engine.state != "ready")
    assert "signal 9" in engine.reason
    await engine.wait_ready(20)

    assert (engine.base_url, engine.api_key) == (url, key)
    assert engine.pid != pid
    assert calls == 2
    assert [start[1:] for start in starts(tmp_path)] == [[key, url.rpartition(":")[2]]] * 2


async def test_the_leash_killed_is_noticed_too(make: Make) -> None:
    engine = make()
    await engine.start()
    await engine.wait_ready(20)
    pid, url = engine.pid, engine.base_url
    assert pid and engine._process
    os.kill(engine._process._leash.pid, signal.SIGKILL)
    await until(lambda: engine.state != "ready")
    await engine.wait_ready(20)
    assert gone(pid)
    assert engine.base_url == url


async def test_one_that_no_longer_answers_is_started_again(make: Make, tmp_path: Path) -> None:
    engine = make("mute")
    await engine.start()
    await engine.wait_ready(20)
    pid = engine.pid
    (tmp_path / "mute").touch()
    await until(lambda: engine.state == "restarting")
    assert "no longer answered" in engine.reason
    (tmp_path / "mute").unlink()
    await engine.wait_ready(20)
    assert engine.pid != pid
    assert pid and gone(pid)


async def test_another_port_when_a_stranger_took_it(make: Make) -> None:
    engine = make(pace=Pace(poll=0.05, health=0.05, first_wait=0.5, grace=0.5))
    await engine.start()
    await engine.wait_ready(20)
    url, port = engine.base_url, int(engine.base_url.rpartition(":")[2])
    assert engine.pid
    os.kill(engine.pid, signal.SIGKILL)
    await until(lambda: engine.state == "restarting")
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        await engine.wait_ready(20)
        assert engine.base_url != url


async def test_given_up_after_five_crashes(make: Make, tmp_path: Path) -> None:
    engine = make("crash")
    await engine.start()
    with pytest.raises(EngineUnavailable, match=r"given up after 5 crashes.*exit status 7"):
        await engine.wait_ready(20)
    assert engine.state == "failed"
    assert len(starts(tmp_path)) == 5


async def test_the_waits_between_starts_grow_and_are_bounded(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        if asyncio.current_task() is engine._supervisor:
            waits.append(seconds)
        await sleep(0)

    engine = make("crash", pace=Pace(first_wait=1, longest_wait=4, crashes=6, grace=0.5))
    monkeypatch.setattr(asyncio, "sleep", noted)
    await engine.start()
    with pytest.raises(EngineUnavailable):
        await engine.wait_ready(20)
    assert waits == [1, 2, 4, 4, 4]


async def test_the_reason_of_a_crash_is_told(make: Make) -> None:
    engine = make("oom")
    await engine.start()
    with pytest.raises(EngineUnavailable, match=r"not enough memory.*ROUNDS_KV_CACHE_GIB"):
        await engine.wait_ready(20)


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


async def test_a_failing_on_ready_is_tried_again_and_the_process_kept(
    make: Make, tmp_path: Path
) -> None:
    engine = make()
    engine.on_ready = follows = FailsAtFirst(engine)
    await engine.start()
    await engine.wait_ready(20)
    follows.check_told("warming")
    assert len(starts(tmp_path)) == 1


@pytest.mark.parametrize("end", ["killed", "mute"])
async def test_an_engine_that_dies_while_on_ready_fails_is_started_again(
    make: Make, tmp_path: Path, end: str
) -> None:
    async def fails() -> None:
        raise StoreUnavailable("The database is locked.")

    engine = make("mute", on_ready=fails)
    await engine.start()
    await until(lambda: "locked" in engine.reason)
    assert engine.pid and engine.state == "warming"
    if end == "killed":
        os.kill(engine.pid, signal.SIGKILL)
    else:
        (tmp_path / "mute").touch()
    await until(lambda: engine.state == "restarting")
    assert "locked" not in engine.reason
    (tmp_path / "mute").unlink(missing_ok=True)
    engine.on_ready = None
    await engine.wait_ready(20)
    assert len(starts(tmp_path)) == 2


async def test_waiting_has_an_end(make: Make, settings: Settings) -> None:
    engine = make()
    engine._command = [sys.executable, "-c", "import time; time.sleep(600)"]
    await engine.start()
    with pytest.raises(EngineUnavailable, match="not ready within 0 s"):
        await engine.wait_ready(0.3)


async def test_a_port_that_is_asked_for_must_be_free(make: Make) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        engine = make(port=port)
        with pytest.raises(EngineUnavailable, match=f"Port {port} is taken"):
            await engine.start()
    assert engine.state == "failed"


@pytest.fixture
def real(settings: Settings, model: ModelFiles) -> Engine:
    return Engine(settings, model)


async def test_too_little_memory_is_told_before_the_start(
    real: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "memory", lambda: hardware.Memory(2 * 1024**3, 1024**3))
    monkeypatch.setattr(hardware, "engine_on_gpu", lambda: False)
    with pytest.raises(EngineUnavailable, match=r"Not enough memory.*1 GiB KV cache.*1\.0 GiB are"):
        await real.start()
    assert real.state == "failed"


async def test_a_missing_vllm_is_told(real: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_command, "find_spec", lambda _name: None)
    with pytest.raises(EngineUnavailable, match=r"vLLM is not installed.*make setup"):
        await real.start()


async def test_a_missing_model_is_told(real: Engine, model: ModelFiles) -> None:
    (model.path / "model.safetensors").unlink()
    with pytest.raises(ModelProblem, match="holds no weights"):
        await real.start()


def test_the_command_and_environment(
    settings: Settings, model: ModelFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "engine_on_gpu", lambda: False)
    settings.max_lora_rank, settings.max_model_len = 48, 4096
    parts = engine_command.command(settings, model, 1234)
    given = dict(itertools.pairwise(parts))
    assert given["--host"] == "127.0.0.1" and given["--port"] == "1234"
    assert given["--max-lora-rank"] == "64"  # the next that vLLM knows
    assert given["--max-model-len"] == "4096"
    assert "--no-enable-log-requests" in parts and "--enable-lora" in parts

    base = {"ROUNDS_DATABASE_URL": "postgresql://u:secret@h/d", "PATH": "/bin"}
    base |= {"VLLM_LOGGING_LEVEL": "DEBUG"}
    env = engine_command.environment(settings, "the-key", base)
    assert env["VLLM_API_KEY"] == "the-key" and env["PATH"] == "/bin"
    assert env["VLLM_CPU_KVCACHE_SPACE"] == "1" and env["HF_HUB_OFFLINE"] == "1"
    assert env["VLLM_LOGGING_LEVEL"] == "INFO"  # DEBUG writes prompts
    assert not any("secret" in value for value in env.values())

    monkeypatch.setattr(hardware, "engine_on_gpu", lambda: True)
    assert not any("CPU" in k for k in engine_command.environment(settings, "k", {}))
    settings.lora_slots, settings.max_model_len = 0, None
    assert "auto" in engine_command.command(settings, model, 1)
    assert "--enable-lora" not in engine_command.command(settings, model, 1)


async def external(url: str, key: str | None) -> ExternalEngine:
    engine = ExternalEngine(url, key, interval=0.05)
    await engine.start()
    return engine


async def test_an_external_engine_is_watched_not_touched(make: Make) -> None:
    own = make()
    await own.start()
    await own.wait_ready(20)
    other = await external(own.base_url + "/v1", own.api_key)
    try:
        await other.wait_ready(10)
        assert other.base_url == own.base_url
        assert own.pid
        os.kill(own.pid, signal.SIGKILL)
        await until(lambda: other.state == "restarting")
        assert "cannot be reached" in other.reason
        await other.wait_ready(20)
    finally:
        await other.stop()
    await own.wait_ready(20)
    assert own.pid and not gone(own.pid)  # it goes on


async def test_an_external_engine_with_a_wrong_key(make: Make) -> None:
    own = make()
    await own.start()
    await own.wait_ready(20)
    other = await external(own.base_url, "wrong")
    try:
        await until(lambda: "ROUNDS_VLLM_KEY" in other.reason)
        assert other.state == "starting"
    finally:
        await other.stop()


async def test_an_external_engine_is_watched_on_when_on_ready_fails(make: Make) -> None:
    own = make()
    await own.start()
    await own.wait_ready(20)
    other = ExternalEngine(own.base_url, own.api_key, interval=0.05)
    other.on_ready = follows = FailsAtFirst(other)
    await other.start()
    try:
        await other.wait_ready(10)
        follows.check_told("restarting")
    finally:
        await other.stop()


def test_an_external_engine_needs_an_address(settings: Settings) -> None:
    with pytest.raises(EngineUnavailable, match="ROUNDS_VLLM_URL"):
        connect_external(settings)


def test_a_stale_note_is_no_running_engine(settings: Settings) -> None:
    assert running_engine(settings) is None
    engine_file.write(settings, "http://127.0.0.1:9", "k", 2**22 - 1, "m")
    assert running_engine(settings) is None
    engine_file.write(settings, "http://127.0.0.1:9", "k", os.getpid(), "m")
    assert running_engine(settings) is None
