"""An engine that runs elsewhere: watched, never touched."""

import os
import signal

import pytest

from serving.engine import address as engine_file
from serving.engine.supervisor import ExternalEngine, connect_external, running_engine
from serving.errors import EngineUnavailable
from serving.settings import Settings
from tests.serving.engine.conftest import FailsAtFirst, Make, gone, until


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
