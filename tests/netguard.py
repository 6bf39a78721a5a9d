"""Fails the run on any attempt to reach beyond loopback, in the tests or in their children.

An audit hook (netguard_child/rounds_netguard.py) sees every connect, send and name lookup that
Python makes, whichever library asks and whether or not it swallows the error. The attempt is
refused and written, with its stack, to a file that this pytest plugin reads after each test and
at the end. Children get the hook through PYTHONPATH and the file's name through the environment.
"""

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_CHILD = str(Path(__file__).parent / "netguard_child")
sys.path.insert(0, _CHILD)
import rounds_netguard  # noqa: E402

_GUARD = pytest.StashKey["Guard"]()


class Guard:
    """Reads what was recorded since it was last asked."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._read = 0

    def take(self) -> list[dict[str, Any]]:
        """Return the attempts recorded since the last call, and forget them."""
        with self.log.open("rb") as file:
            file.seek(self._read)
            lines = file.read()
        lines = lines[: lines.rfind(b"\n") + 1]  # a child may be writing its row right now
        self._read += len(lines)
        return [json.loads(line) for line in lines.splitlines()]


def child_env(log: Path) -> dict[str, str]:
    """Return what makes a Python child process watch itself and report to `log`."""
    paths = [_CHILD, *(p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p)]
    return {rounds_netguard.LOG: str(log), "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}


def describe(attempts: list[dict[str, Any]]) -> str:
    """Return the report a reader can act on: who tried to reach what, and from where."""
    parts = ["An attempt to reach beyond this machine:"]
    for row in attempts:
        parts.append(f"{row['event']} to {row['address']} in process {row['process']}")
        parts.append("".join(row["stack"]))
    return "\n".join(parts)


def pytest_configure(config: pytest.Config) -> None:
    """Start to watch this process and those it will start."""
    descriptor, name = tempfile.mkstemp(prefix="netguard-", suffix=".jsonl")
    os.close(descriptor)
    os.environ.update(child_env(Path(name)))
    config.stash[_GUARD] = Guard(Path(name))
    rounds_netguard.install()


@pytest.fixture(autouse=True)
def network_guard(pytestconfig: pytest.Config) -> Iterator[Guard]:
    """Fail the test in which something tried to leave the machine."""
    guard = pytestconfig.stash[_GUARD]
    yield guard
    if attempts := guard.take():
        pytest.fail(describe(attempts), pytrace=False)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run for servers that tried after the last test."""
    if attempts := session.config.stash[_GUARD].take():
        sys.stderr.write("\n" + describe(attempts) + "\n")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the file."""
    config.stash[_GUARD].log.unlink(missing_ok=True)
