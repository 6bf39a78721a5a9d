"""The engine with the real vLLM and the real default model. Each start takes most of a minute."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from serving.engine.command import PROCESSES
from serving.engine.hardware import GIB
from serving.engine.leash import descendants
from serving.engine.supervisor import Engine, running_engine
from serving.models.files import ModelFiles
from serving.settings import Settings

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1200)]

ROOT = Path(__file__).resolve().parents[3]
HOST = Path(__file__).with_name("engine_host.py")
T = TypeVar("T")
PATIENT = "Mrs Zebra Quince has a carcinoma"
READY_WITHIN_S = 300  # 40 on an idle machine


def until(what: Callable[[], T], seconds: float = READY_WITHIN_S) -> T:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := what():
            return found
        time.sleep(0.2)
    raise AssertionError("waited in vain")


def alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()
    except OSError:
        return ""


def one(pids: list[int], words: str) -> int:
    """The top process of those whose command line holds the words, without the two holders."""
    return next(p for p in pids if words in name(p) and "serving.engine.leash" not in name(p))


def listening(pids: list[int]) -> list[str]:
    """Local addresses (hexadecimal, as in /proc/net) on which the processes listen."""
    sockets = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            part = line.split()
            if part[3] == "0A":  # LISTEN
                sockets[f"socket:[{part[9]}]"] = part[1].split(":")[0]
    links = []
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            try:
                links.append(str(entry.readlink()))
            except OSError:
                continue
    return [sockets[link] for link in links if link in sockets]


def proportional_bytes(pids: list[int]) -> int:
    """Memory of the processes, shared pages divided among those that share them."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


@pytest.fixture
def settings(tmp_path: Path, default_model: ModelFiles) -> Settings:
    return Settings(home=tmp_path / "home", models_dir=default_model.path.parent, kv_cache_gib=1)


@pytest.fixture
def host(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, str(HOST), str(settings.home), str(settings.models_dir)]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}) as host:
        yield host
        host.kill()


def test_the_life_of_an_engine(
    host: subprocess.Popen[bytes], settings: Settings, default_model: ModelFiles
) -> None:
    url, key = until(lambda: running_engine(settings))
    pids = descendants(host.pid)
    with httpx.Client(
        base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=120
    ) as http:
        it_answers_and_stops_at_the_end_of_its_turn(http, default_model.name)
        it_serves_nobody_without_the_key(url)
        it_writes_no_patient_text(http, default_model.name, settings)
    # Only loopback, and the key is not to be seen by other users.
    assert set(listening(pids)) <= {"0100007F", "00000000000000000000000001000000"}
    assert not any(key in name(pid) for pid in pids)
    # What is asked for before a start is about what it takes.
    needed = PROCESSES + settings.kv_cache_gib * GIB + 270 * 10**6
    assert 0.6 * needed < proportional_bytes(pids) < 1.1 * needed

    # Whatever part of it is killed, it comes back by itself, under the same address and key.
    for victim in ("api_server", "VLLM::EngineCore"):
        old = descendants(host.pid)
        os.kill(one(old, victim), signal.SIGKILL)
        until(lambda: running_engine(settings) is None, 60)
        assert until(lambda: running_engine(settings)) == (url, key)
        assert not any(alive(pid) for pid in old), f"left over after the {victim} was killed"

    # And when its parent is killed, nothing of it is left.
    pids = descendants(host.pid)
    assert one(pids, "VLLM::Worker")
    host.kill()
    host.wait()
    until(lambda: not any(alive(pid) for pid in pids), 30)
    assert running_engine(settings) is None
    for log in settings.logs_path.iterdir():
        assert PATIENT not in log.read_text()
        assert "Zebra" not in log.read_text()


def it_answers_and_stops_at_the_end_of_its_turn(http: httpx.Client, model: str) -> None:
    words = [{"role": "user", "content": "Say hello in one short sentence."}]
    body = {"model": model, "messages": words, "max_tokens": 200, "temperature": 0}
    choice = http.post("/v1/chat/completions", json=body).raise_for_status().json()["choices"][0]
    assert choice["finish_reason"] == "stop"  # at <|im_end|>, not at max_tokens
    assert choice["message"]["content"].strip()
    assert "<|im" not in choice["message"]["content"]
    asked = {"model": model, "prompt": "<|im_start|>user\nHi<|im_end|>\n"}
    tokens = http.post("/tokenize", json=asked).raise_for_status().json()["tokens"]
    assert tokens[0] == 1 and 2 in tokens  # the specials are single tokens


def it_serves_nobody_without_the_key(url: str) -> None:
    assert httpx.get(f"{url}/v1/models").status_code == httpx.codes.UNAUTHORIZED


def it_writes_no_patient_text(http: httpx.Client, model: str, settings: Settings) -> None:
    good = {"model": model, "prompt": PATIENT, "max_tokens": 4}
    bad: list[dict[str, object]] = [
        {"structured_outputs": {"regex": f"({PATIENT}"}},
        {"structured_outputs": {"choice": [PATIENT, 1]}},
        {"structured_outputs": {"json": {"type": PATIENT}}},
        {"structured_outputs": {"grammar": PATIENT}},
        {"prompt": [PATIENT, {"x": PATIENT}]},
        {"prompt": PATIENT * 5000},
        {"max_tokens": PATIENT},
        {"model": PATIENT},
        {"stop": {"x": PATIENT}},
        {"logprobs": PATIENT},
    ]
    assert http.post("/v1/completions", json=good).status_code == httpx.codes.OK
    for change in bad:
        answer = http.post("/v1/completions", json=good | change)
        assert httpx.codes.is_client_error(answer.status_code), change
    http.post("/v1/load_lora_adapter", json={"lora_name": PATIENT, "lora_path": PATIENT})
    http.post(f"/v1/{PATIENT}", content=PATIENT)
    log = (settings.logs_path / "engine.log").read_text()
    assert "Zebra" not in log
    assert "vLLM" in log


async def test_stop_leaves_nothing(settings: Settings, default_model: ModelFiles) -> None:
    engine = Engine(settings, default_model)
    await engine.start()
    async with asyncio.timeout(READY_WITHIN_S):
        while not engine.pid or not any(
            "VLLM::Worker" in name(pid) for pid in descendants(engine.pid)
        ):
            assert engine.state == "starting", engine.reason
            await asyncio.sleep(0.2)
    pids = [engine.pid, *descendants(engine.pid)]
    await engine.stop()
    assert engine.state == "stopped"
    assert not any(alive(pid) for pid in pids)
