"""A child process on a leash, from the holder's side (leash.py is the other side)."""

import asyncio
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from serving.errors import EngineUnavailable

_ROOT = Path(__file__).resolve().parents[2]


class LeashedProcess:
    """A running command whose whole family ends with us, however we end."""

    def __init__(self, leash: asyncio.subprocess.Process, pid: int, grace: float) -> None:
        self._leash, self.pid, self._grace = leash, pid, grace

    @classmethod
    async def start(
        cls, command: Sequence[str], env: Mapping[str, str], log: Path, grace: float
    ) -> "LeashedProcess":
        """Start the command; what it prints goes to `log`, redacted (serving/engine/log_file.py).

        grace: seconds between SIGTERM and SIGKILL when it is to end.
        Raises EngineUnavailable when it cannot be started at all.
        """
        leash = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "serving.engine.leash"),
            *("--log", str(log), "--grace", str(grace), "--"),
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=_ROOT,
            env=dict(env),
            start_new_session=True,  # Ctrl-C in the terminal is for us alone
        )
        said = json.loads(await leash.stdout.readline() or "{}") if leash.stdout else {}
        if "pid" not in said:
            await leash.wait()
            why = said.get("error", "the leash gave no reason")
            raise EngineUnavailable(f"The engine could not be started: {why}")
        return cls(leash, int(said["pid"]), grace)

    @property
    def status(self) -> int | None:
        """Return the exit status as a shell has it (137: killed by signal 9); None: running."""
        return self._leash.returncode

    async def ended_within(self, seconds: float) -> bool:
        """Wait for the end, at most so many seconds; return whether it came."""
        try:
            await asyncio.wait_for(self._leash.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def end(self) -> None:
        """Ask it to end, and wait until nothing of it is left."""
        if self._leash.stdin:
            self._leash.stdin.close()  # the leash takes this as our end
        await self._leash.wait()
        # Where the leash itself was killed, its inner half is still ending the command.
        await asyncio.to_thread(_wait_gone, self.pid, self._grace + 5)


def _wait_gone(pid: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.05)
