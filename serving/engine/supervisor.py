"""Start, watch and stop our own vLLM server.

The server runs on a leash (leash.py), on loopback, behind a random key. It is ready when
it answers and has been warmed up; when it dies or stops answering it is started again, with the
same address and key, each time a little later; when it keeps dying it is given up, and the reason
is told.
"""

import asyncio
import os
import secrets
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx2

from serving.engine import address as engine_file
from serving.engine import command as engine_command
from serving.engine import log_file as engine_log
from serving.engine import probe as engine_probe
from serving.engine.address import running_engine
from serving.engine.external import ExternalEngine, connect_external
from serving.engine.handle import EngineHandle, OnReady, State
from serving.engine.process import LeashedProcess
from serving.errors import EngineUnavailable, RoundsError
from serving.models.files import ModelFiles
from serving.settings import Settings

__all__ = ["Engine", "EngineHandle", "ExternalEngine", "Pace", "State"]
__all__ += ["connect_external", "running_engine"]


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient the watch is; all in seconds but the counts."""

    poll: float = 0.5  # between looks while it starts
    health: float = 5.0  # between looks while it runs, and between tries to make it ready
    misses: int = 3  # failed looks in a row until it counts as dead
    first_wait: float = 1.0  # before the first restart; doubled each time
    longest_wait: float = 30.0
    healthy_after: float = 300.0  # without a crash, the waiting time starts over
    crashes: int = 5  # within `window`: given up
    window: float = 600.0
    grace: float = 10.0  # from SIGTERM to SIGKILL


class _Ended(Exception):
    """The server's process is gone or as good as gone."""

    def __init__(self, reason: str, hopeless: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.hopeless = reason, hopeless


class Engine(EngineHandle):
    """One vLLM server of our own. See EngineHandle for what it shows."""

    def __init__(
        self,
        settings: Settings,
        model: ModelFiles,
        on_ready: OnReady | None = None,
        *,
        port: int | None = None,
        command: Sequence[str] | None = None,
        pace: Pace | None = None,
    ) -> None:
        """Prepare; nothing is started.

        on_ready: awaited after each (re)start, before the state is `ready`; repeated until it
        succeeds.
        port: listen on exactly this one; None: any free one.
        command: another server than vLLM (for tests); `{port}` in its parts is replaced.
        """
        super().__init__(on_ready)
        self.settings, self.model = settings, model
        self.log = settings.logs_path / "engine.log"
        self._wanted_port, self._port = port, 0
        self._command, self._pace = command, pace or Pace()
        self._supervisor: asyncio.Task[None] | None = None
        self._process: LeashedProcess | None = None
        self._crashes: deque[float] = deque()

    async def start(self) -> None:
        """Check what a start needs, then begin; `wait_ready` waits for the end of it.

        Raises EngineUnavailable or ModelProblem, with what to do, when a check fails.
        """
        if self._supervisor is not None and not self._supervisor.done():
            return
        try:
            if self._wanted_port and not engine_command.port_is_free(self._wanted_port):
                raise EngineUnavailable(
                    f"Port {self._wanted_port} is taken by another program. Stop it, or choose "
                    "another port for the engine."
                )
            if self._command is None:
                engine_command.check_before_start(self.settings, self.model)
        except RoundsError as error:
            await self._become("failed", str(error))
            raise
        self.settings.prepare_home()
        self.api_key = secrets.token_urlsafe(32)
        self._port = self._wanted_port or engine_command.free_port()
        self.base_url = f"http://{engine_command.LOOPBACK}:{self._port}"
        self._crashes.clear()
        await self._become("starting", "Loading the model.")
        self._supervisor = asyncio.create_task(self._supervise(), name="engine")

    async def stop(self) -> None:
        """End the server and wait until none of its processes is left."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
            self._supervisor = None
        await self._let_go()
        await self._become("stopped", "The engine was stopped.")

    async def _supervise(self) -> None:
        """Run the server until stopped; start it again when it ends."""
        wait = self._pace.first_wait
        while True:
            began = time.monotonic()
            try:
                await self._run_once()
            except _Ended as end:
                reason = end.reason
                if end.hopeless and self.ready_seconds is None:
                    await self._let_go()
                    await self._become("failed", reason)
                    return
            except (OSError, RoundsError) as error:
                reason = str(error)
            finally:
                await self._let_go()
            if time.monotonic() - began > self._pace.healthy_after:
                wait = self._pace.first_wait
            if self._given_up():
                await self._become(
                    "failed",
                    f"The engine was given up after {self._pace.crashes} crashes: {reason}",
                )
                return
            await self._become("restarting", reason)
            await asyncio.sleep(wait)
            wait = min(2 * wait, self._pace.longest_wait)
            self._keep_or_change_port()

    def _given_up(self) -> bool:
        now = time.monotonic()
        self._crashes.append(now)
        while self._crashes[0] < now - self._pace.window:
            self._crashes.popleft()
        return len(self._crashes) >= self._pace.crashes

    def _keep_or_change_port(self) -> None:
        if not engine_command.port_is_free(self._port) and not self._wanted_port:
            self._port = engine_command.free_port()
            self.base_url = f"http://{engine_command.LOOPBACK}:{self._port}"

    async def _run_once(self) -> None:
        """Start the server, bring it to ready and watch it; raises _Ended when it is over."""
        began = time.monotonic()
        process = await self._spawn()
        async with engine_probe.client(self.base_url, self.api_key) as http:
            await self._until_answering(http, process)
            await self._become("warming", "Warming up.")
            try:
                names = await engine_probe.models(http)
                await engine_probe.warm_up(http, names[0])
            except (httpx2.HTTPError, ValueError, LookupError) as error:
                raise await self._ended(process, type(error).__name__) from error
            await self._watch(http, process, began)

    async def _make_ready(self, began: float) -> None:
        """Do what follows a start; where that fails, the server is kept and stays `warming`."""
        if (problem := await self._prepare()) is not None:
            await self._become("warming", problem)
            return
        self.ready_seconds = time.monotonic() - began
        if self.api_key and self.pid:
            engine_file.write(self.settings, self.base_url, self.api_key, self.pid, self.model.name)
        await self._become("ready", "The engine is ready.")

    async def _spawn(self) -> LeashedProcess:
        parts = self._command or engine_command.command(self.settings, self.model, self._port)
        self._process = await LeashedProcess.start(
            [part.replace("{port}", str(self._port)) for part in parts],
            engine_command.environment(self.settings, self.api_key or "", os.environ),
            self.log,
            self._pace.grace,
        )
        self.pid, self.started_at = self._process.pid, datetime.now(UTC)
        return self._process

    async def _until_answering(self, http: httpx2.AsyncClient, process: LeashedProcess) -> None:
        deadline = time.monotonic() + self.settings.engine_timeout_s
        while not await engine_probe.healthy(http):
            if time.monotonic() > deadline:
                raise _Ended(
                    f"The engine did not answer within {self.settings.engine_timeout_s:.0f} s "
                    f"(ROUNDS_ENGINE_TIMEOUT_S). The log says more: {self.log}"
                )
            await self._sleep(process, self._pace.poll)

    async def _watch(self, http: httpx2.AsyncClient, process: LeashedProcess, began: float) -> None:
        """Make it ready, as often as that takes, and look after it until it ends."""
        missed = 0
        while missed < self._pace.misses:
            if self.state != "ready" and not missed:
                await self._make_ready(began)
            await self._sleep(process, self._pace.health)
            missed = 0 if await engine_probe.healthy(http) else missed + 1
        raise await self._ended(process, "it no longer answered")

    async def _sleep(self, process: LeashedProcess, seconds: float) -> None:
        """Sleep, but wake up with _Ended as soon as the process is gone."""
        if await process.ended_within(seconds):
            raise await self._ended(process)

    async def _ended(self, process: LeashedProcess, seen: str = "") -> _Ended:
        """Return the news with the reason for the user, from the exit status and the log."""
        tail = await asyncio.to_thread(engine_log.log_tail, self.log)
        why = engine_log.diagnose(tail, process.status, self.log)
        alive = f" ({seen})" if seen and process.status is None else ""
        return _Ended(why + alive, engine_log.hopeless(tail))

    async def _let_go(self) -> None:
        """End what runs, if anything, and wait until it is gone."""
        process, self._process, self.pid = self._process, None, None
        if process is not None:
            engine_file.remove(self.settings)
            await process.end()
