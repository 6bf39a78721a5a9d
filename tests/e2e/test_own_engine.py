"""`rounds run` as `make run` starts it: with an engine of its own, of which nothing is left."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from serving.engine.leash import descendants
from serving.intake import demo
from serving.models.files import ModelFiles
from tests.e2e.conftest import ROOT, App

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]
EVERYTHING = 0  # what descends from process 0: every process that is alive


@pytest.fixture
def own(default_model: ModelFiles, models_dir: Path, tmp_path: Path) -> Iterator[App]:
    """An app that is not told of any engine."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
    guard = "ROUNDS_NETGUARD_LOG"  # its connections are watched, too
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ROUNDS_") or k == guard}
    app = App(
        kept
        | {
            "ROUNDS_HOME": str(tmp_path / "home"),
            "ROUNDS_MODELS_DIR": str(models_dir),
            "ROUNDS_KV_CACHE_GIB": "1",
            "ROUNDS_PORT": str(port),
            "PYTHONUNBUFFERED": "1",
        },
        port,
        tmp_path / "printed.log",
    )
    yield app
    if app.process is not None:  # the test failed before it stopped the app
        app.process.kill()
        app.process.wait(30)


def _rounds(app: App, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "app.py"), *arguments],
        env=app.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_it_signs_in_drafts_keeps_its_port_and_leaves_nothing_behind(own: App) -> None:
    own.start(within_s=420)
    assert own.process is not None

    with httpx.Client(base_url=own.url, follow_redirects=True, trust_env=False) as browser:
        assert browser.get("/").status_code == 401
        assert browser.get(own.link()).status_code == 200
        assert browser.get("/").status_code == 200
    again = httpx.get(own.link(), follow_redirects=True, trust_env=False)
    assert again.status_code == 401, "the link works once"

    token = _rounds(own, "token", "create", "tests").stdout.strip()
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    note = demo.get("demo-06").as_dict()["notes"][0]
    wanted = {"hadm_id": "own-1", "notes": [note], "sections": ["diagnoses", "follow_up"]}
    draft = httpx.post(
        f"{own.url}/api/draft", json=wanted, headers=headers, timeout=240, trust_env=False
    ).json()
    assert {name: part["status"] for name, part in draft["sections"].items()} == {
        "diagnoses": "done",
        "follow_up": "done",
    }
    assert all(part["text"] for part in draft["sections"].values())

    second = _rounds(own, "run")
    assert second.returncode == 1
    assert f"Port {own.port} is taken" in second.stderr and "Traceback" not in second.stderr

    below = set(descendants(own.process.pid))
    commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in below]
    assert any(b"serving.engine.leash" in command for command in commands)
    assert any(b"vllm.entrypoints" in command for command in commands)
    os.killpg(own.process.pid, signal.SIGINT)  # as Ctrl-C does: the whole foreground group
    assert own.process.wait(30) in (0, 130), own.log.read_text()
    own.process = None
    assert not below & set(descendants(EVERYTHING))
    assert "Traceback" not in own.log.read_text()
