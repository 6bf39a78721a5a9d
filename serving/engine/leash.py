"""Run a command so that nothing of it outlives the one who started it.

    python -m serving.engine.leash [--log FILE] [--grace SECONDS] -- command …

The starter holds the other end of stdin. When it dies, in whatever way, that pipe closes; the
command's process group is then asked to end (SIGTERM), and after the grace period every process
that descends from it is killed, also those that left the group.

There are two holders, one inside the other, and both adopt orphans (PR_SET_CHILD_SUBREAPER). The
inner one starts the command. Kill the outer one: the inner sees its pipe close and ends the
command. Kill the inner one: the kernel kills the command, what it had started is adopted by the
outer one, and that kills it. Only the standard library is imported: this must not fail.
"""

import argparse
import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
TICK = 1.0  # seconds between looks at orphans to reap and at who our parent is

_libc = ctypes.CDLL(None, use_errno=True)
_asked_to_end = False


def descendants(root: int) -> list[int]:
    """Return the process ids that descend from `root` and are not dead already (zombies)."""
    children: dict[int, list[int]] = {}
    dead = set()
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            stat = Path(entry.path, "stat").read_text(encoding="utf-8", errors="replace")
        except OSError:  # it ended while we looked
            continue
        state, parent = stat.rpartition(")")[2].split()[:2]  # the name may hold anything
        children.setdefault(int(parent), []).append(int(entry.name))
        if state in "ZX":
            dead.add(int(entry.name))
    found, look = [], [root]
    while look:
        below = children.get(look.pop(), [])
        found += below
        look += below
    return [pid for pid in found if pid not in dead]


def hold(child: int, lifeline: int, ask: Callable[[], None], grace: float) -> int:
    """Wait until `child` ends or `lifeline` closes; then leave no descendant of this process.

    ask: asks the child to end. grace: seconds until what remains is killed.
    Returns the child's exit status as a shell has it (128 + signal for a kill).
    """
    status: int | None = None
    parent, handle = os.getppid(), os.pidfd_open(child)
    while status is None:
        ready, _, _ = select.select([lifeline, handle], [], [], TICK)
        status = reap(child)
        if _asked_to_end or lifeline in ready or os.getppid() != parent:
            break
    ask()
    deadline = time.monotonic() + (grace if status is None else min(grace, 2.0))
    while left := descendants(os.getpid()):
        if time.monotonic() > deadline:
            for pid in left:
                kill(pid, signal.SIGKILL)
        time.sleep(0.05)
        late = reap(child)
        status = late if status is None else status
    if status is None:
        status = reap(child)
    return status or 0


def reap(child: int) -> int | None:
    """Collect every process that has ended; return the child's status if it was among them."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            found = code if code >= 0 else 128 - code


def kill(pid: int, sign: int, group: bool = False) -> None:
    """Send a signal to a process or its group, which may be gone already."""
    with contextlib.suppress(ProcessLookupError):
        (os.killpg if group else os.kill)(pid, sign)


def leash(command: list[str], log: Path | None, grace: float) -> int:
    """Run the command between two holders; return its exit status."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for sign in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(sign, _on_signal)
    lifeline, held = os.pipe()
    inner = os.fork()
    if inner == 0:
        os.close(held)
        os.close(0)  # the starter's pipe is the outer holder's alone
        os._exit(run(command, lifeline, log, grace))
    os.close(lifeline)
    os.close(1)
    # The inner holder needs the grace period for itself and a little more to finish.
    return hold(inner, 0, lambda: os.close(held), grace + 3.0)


def run(command: list[str], lifeline: int, log: Path | None, grace: float) -> int:
    """Be the inner holder: start the command, tell its process id on stdout, hold it."""
    os.setsid()
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    holder = os.getpid()

    def follow_into_death() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != holder:  # it died before we asked
            os._exit(1)

    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if log else subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=follow_into_death,  # noqa: PLW1509 - no thread is running yet
        )
    except OSError as error:
        print(json.dumps({"error": str(error)}), flush=True)  # noqa: T201 - told to the starter
        return 127
    print(json.dumps({"pid": process.pid}), flush=True)  # noqa: T201 - told to the starter
    os.close(1)
    writer = None
    if log and process.stdout:
        from serving.engine.log_file import copy_log

        writer = threading.Thread(target=copy_log, args=(process.stdout, log), daemon=True)
        writer.start()
    status = hold(
        process.pid, lifeline, lambda: kill(process.pid, signal.SIGTERM, group=True), grace
    )
    if writer:
        writer.join(timeout=5)  # the last lines say why
    return status


def _on_signal(_sign: int, _frame: FrameType | None) -> None:
    global _asked_to_end  # noqa: PLW0603 - a signal handler has nowhere else to leave a word
    _asked_to_end = True


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m serving.engine.leash", description=__doc__)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--grace", type=float, default=10.0)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    command = given.command[1:] if given.command[:1] == ["--"] else given.command
    return leash(command, given.log, given.grace)


if __name__ == "__main__":
    sys.exit(main())
