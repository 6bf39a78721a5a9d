"""The guard itself is tested by runs that must fail: pytest inside pytest."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ELSEWHERE = "192.0.2.1"  # RFC 5737: reserved for documentation, never routed

HEAD = "import socket, subprocess, sys, contextlib\n"
SWALLOWED = f"""
def test_it():
    with contextlib.suppress(OSError):
        socket.create_connection(("{ELSEWHERE}", 80), timeout=0.1)
"""
CONNECT_EX = f"""
def test_it():
    with contextlib.suppress(OSError), socket.socket() as s:
        s.settimeout(0.1)
        s.connect_ex(("{ELSEWHERE}", 80))
"""
DATAGRAM = f"""
def test_it():
    with contextlib.suppress(OSError), socket.socket(type=socket.SOCK_DGRAM) as s:
        s.sendto(b"x", ("{ELSEWHERE}", 53))
"""
LOOKUP = """
def test_it():
    with contextlib.suppress(OSError):
        socket.getaddrinfo("example.invalid", 443)
"""
CHILD = f"""
def test_it():
    code = 'import socket; socket.create_connection(("{ELSEWHERE}", 80), timeout=0.1)'
    subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
"""
GRANDCHILD = f"""
def test_it():
    code = 'import socket; socket.create_connection(("{ELSEWHERE}", 80), timeout=0.1)'
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {{code!r}}])"
    subprocess.run([sys.executable, "-c", outer], stderr=subprocess.DEVNULL)
"""
LATE = f"""
import atexit, pytest

@pytest.fixture(scope="session", autouse=True)
def late():
    yield
    with contextlib.suppress(OSError):
        socket.create_connection(("{ELSEWHERE}", 80), timeout=0.1)

def test_it():
    pass
"""
LOCAL = """
def test_it(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
        socket.getaddrinfo("localhost", 80)
    with socket.socket(socket.AF_UNIX) as s, contextlib.suppress(OSError):
        s.connect(str(tmp_path / "socket"))
"""


def run(tmp_path: Path, body: str) -> subprocess.CompletedProcess[str]:
    test = tmp_path / "test_inner.py"
    test.write_text(HEAD + body)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.netguard", "-c", os.devnull]
    return subprocess.run(
        [*command, "--rootdir", str(tmp_path), str(test)],
        cwd=ROOT,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("body", [SWALLOWED, CONNECT_EX, DATAGRAM, CHILD, GRANDCHILD, LATE])
def test_an_attempt_fails_the_run_and_names_the_address(tmp_path: Path, body: str) -> None:
    done = run(tmp_path, body)
    assert done.returncode == 1, done.stdout
    assert ELSEWHERE in done.stdout + done.stderr


def test_a_name_lookup_fails_the_run(tmp_path: Path) -> None:
    done = run(tmp_path, LOOKUP)
    assert done.returncode == 1, done.stdout
    assert "example.invalid" in done.stdout
    assert "test_inner.py" in done.stdout  # the stack leads to the caller


def test_loopback_and_unix_sockets_pass(tmp_path: Path) -> None:
    done = run(tmp_path, LOCAL)
    assert done.returncode == 0, done.stdout + done.stderr
