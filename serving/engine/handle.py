"""What every engine shows to the rest of the house, whether we started it or not."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Literal

from serving import log
from serving.errors import EngineUnavailable, RoundsError

State = Literal["stopped", "starting", "warming", "ready", "restarting", "failed"]
OnReady = Callable[[], Awaitable[None]]

_log = log.get(__name__)
_UNPREPARED = "The engine answers, but making it ready for use failed; that is tried again."


class EngineHandle(ABC):
    """State, address and key of an engine; use it from one event loop.

    state: stopped, starting, warming, ready, restarting or failed. reason: why, for the user.
    base_url: http://host:port without a path. started_at: when the present process started.
    ready_seconds: how long it took from there to the first ready.
    """

    def __init__(self, on_ready: OnReady | None = None) -> None:
        self.state: State = "stopped"
        self.reason = "The engine has not been started."
        self.base_url = ""
        self.api_key: str | None = None
        self.pid: int | None = None
        self.started_at: datetime | None = None
        self.ready_seconds: float | None = None
        self.on_ready = on_ready
        self._changed = asyncio.Condition()

    @abstractmethod
    async def start(self) -> None:
        """Begin; returns at once, `wait_ready` waits."""

    @abstractmethod
    async def stop(self) -> None:
        """End, and wait until everything is gone."""

    async def _become(self, state: State, reason: str) -> None:
        async with self._changed:
            self.state, self.reason = state, reason
            self._changed.notify_all()

    async def _prepare(self) -> str | None:
        """Do what follows a start (`on_ready`); return why it failed, for the user, or None.

        It never raises: whatever went wrong here, the watch goes on and tries again.
        """
        try:
            if self.on_ready:
                await self.on_ready()
            return None
        except Exception as error:
            problem = str(error) if isinstance(error, RoundsError) else _UNPREPARED
            if problem != self.reason:  # told once, not at every try
                _log.warning("engine_not_prepared", exc_info=error)
            return problem

    async def wait_ready(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Wait until the engine is ready.

        timeout: seconds, None for ever. Raises EngineUnavailable when it fails, is stopped or
        takes longer.
        """
        settled = ("ready", "failed", "stopped")
        try:
            async with asyncio.timeout(timeout), self._changed:
                await self._changed.wait_for(lambda: self.state in settled)
        except TimeoutError:
            raise EngineUnavailable(
                f"The engine was not ready within {timeout:.0f} s: {self.reason}"
            ) from None
        if self.state != "ready":
            raise EngineUnavailable(self.reason)
