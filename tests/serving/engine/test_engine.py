"""The watch over the engine, with a small real server in vLLM's place (see test_engine_real)."""

import asyncio
import json
import os
import signal
import socket
import stat
import sys
from pathlib import Path

import pytest

from serving.engine import address as engine_file
from serving.engine.supervisor import Pace, running_engine
from serving.errors import EngineUnavailable, StoreUnavailable
from serving.settings import Settings
from tests.serving.engine.conftest import (
    FailsAtFirst,
    Make,
    command_line,
    gone,
    starts,
    until,
)


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
