"""Nothing that the leash started outlives the one who holds it: real processes, real kill -9."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from serving.engine.leash import descendants

ROOT = Path(__file__).resolve().parents[3]

# A stubborn family: ignores SIGTERM, has a child in the group and a grandchild in its own session
# whose parent has ended; each writes its process id.
FAMILY = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def note(name): open(os.path.join(sys.argv[1], name), "w").write(str(os.getpid()))
if os.fork() == 0:
    note("child"); time.sleep(600)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        note("daemon"); time.sleep(600)
    os._exit(0)
note("root"); time.sleep(600)
"""

# Holds the leash's stdin, as the app does, and then waits to be killed.
PARENT = """
import subprocess, sys, time
p = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
open(sys.argv[1], "w").write(str(p.pid))
time.sleep(600)
"""


def until(what: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.05)
    return False


def alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def command(folder: Path, grace: float = 0.5) -> list[str]:
    leash = [sys.executable, "-m", "serving.engine.leash", "--grace", str(grace), "--"]
    return [*leash, sys.executable, "-c", FAMILY, str(folder)]


def family(folder: Path) -> list[int]:
    names = ("root", "child", "daemon")
    assert until(lambda: all((folder / n).exists() and (folder / n).read_text() for n in names))
    return [int((folder / n).read_text()) for n in names]


@pytest.fixture
def held(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command(tmp_path), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    with process:
        yield process
        process.kill()


def test_a_parent_killed_leaves_nothing(tmp_path: Path) -> None:
    noted = tmp_path / "leash"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(noted), *command(tmp_path)], cwd=ROOT
    )
    pids = family(tmp_path)
    leash = int(noted.read_text())
    holders = [leash, *[p for p in descendants(leash) if p not in pids]]
    assert all(alive(p) for p in [*pids, *holders])

    parent.send_signal(signal.SIGKILL)
    parent.wait()

    assert until(lambda: not any(alive(p) for p in [*pids, *holders]))


def test_the_outer_holder_killed_leaves_nothing(
    tmp_path: Path, held: subprocess.Popen[bytes]
) -> None:
    pids = family(tmp_path)
    inner = [p for p in descendants(held.pid) if p not in pids]
    held.kill()
    assert until(lambda: not any(alive(p) for p in [*pids, *inner]))


def test_the_inner_holder_killed_leaves_nothing(
    tmp_path: Path, held: subprocess.Popen[bytes]
) -> None:
    pids = family(tmp_path)
    inner = [p for p in descendants(held.pid) if p not in pids]
    assert len(inner) == 1
    os.kill(inner[0], signal.SIGKILL)
    assert until(lambda: not any(alive(p) for p in pids))
    assert held.wait(10) == 128 + signal.SIGKILL


def test_a_root_that_crashes_takes_its_family_along(
    tmp_path: Path, held: subprocess.Popen[bytes]
) -> None:
    root, *others = family(tmp_path)
    assert held.stdout
    assert json.loads(held.stdout.readline()) == {"pid": root}
    os.kill(root, signal.SIGKILL)
    assert until(lambda: not any(alive(p) for p in others))
    assert held.wait(10) == 128 + signal.SIGKILL


def test_closing_the_pipe_asks_politely_first(tmp_path: Path) -> None:
    polite = (
        "import signal, sys, time\n"
        "def bye(*_): open(sys.argv[1], 'w').write('bye'); sys.exit(3)\n"
        "signal.signal(signal.SIGTERM, bye); open(sys.argv[2], 'w').close(); time.sleep(600)"
    )
    said, ready = tmp_path / "said", tmp_path / "ready"
    args = [sys.executable, "-m", "serving.engine.leash", "--", sys.executable, "-c", polite]
    with subprocess.Popen(
        [*args, str(said), str(ready)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=ROOT
    ) as process:
        assert until(ready.exists)
        assert process.stdin
        process.stdin.close()
        assert process.wait(10) == 3
    assert said.read_text() == "bye"


def test_a_command_that_does_not_exist_is_told(tmp_path: Path) -> None:
    args = [sys.executable, "-m", "serving.engine.leash", "--", str(tmp_path / "missing")]
    with subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout
        assert "missing" in json.loads(process.stdout.readline())["error"]
        assert process.wait(10) == 127


def test_the_exit_status_is_the_command_s() -> None:
    args = [
        sys.executable,
        "-m",
        "serving.engine.leash",
        "--",
        sys.executable,
        "-c",
        "raise SystemExit(5)",
    ]
    with subprocess.Popen(
        args, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=ROOT
    ) as process:
        assert process.wait(20) == 5


def test_the_leash_imports_nothing_heavy() -> None:
    code = "import serving.engine.leash, serving.engine.log_file, sys; print(sorted(sys.modules))"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    assert not any(name in out for name in ("'torch'", "'pydantic'", "'httpx'", "'vllm'"))
