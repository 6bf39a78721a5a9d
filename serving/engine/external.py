"""An engine that runs elsewhere (ROUNDS_VLLM_URL): watched, never started or stopped by us."""

import asyncio
import time
from datetime import UTC, datetime

import httpx2

from serving.engine import probe as engine_probe
from serving.engine.handle import EngineHandle, OnReady
from serving.errors import EngineUnavailable
from serving.settings import Settings


class ExternalEngine(EngineHandle):
    """The same face as Engine; its state follows from asking /health."""

    def __init__(
        self, url: str, key: str | None, on_ready: OnReady | None = None, interval: float = 5.0
    ) -> None:
        super().__init__(on_ready)
        self.base_url, self.api_key = url.rstrip("/").removesuffix("/v1"), key
        self._interval = interval
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to watch."""
        if self._watch is None:
            self.started_at = datetime.now(UTC)
            await self._become("starting", f"Waiting for the engine at {self.base_url}.")
            self._watch = asyncio.create_task(self._follow(), name="external-engine")

    async def stop(self) -> None:
        """Stop watching; the engine itself goes on."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        await self._become("stopped", "The engine is no longer watched.")

    async def _follow(self) -> None:
        began = time.monotonic()
        async with engine_probe.client(self.base_url, self.api_key) as http:
            while True:
                problem = await self._problem(http)
                if problem is None and self.state != "ready":
                    if (unprepared := await self._prepare()) is not None:
                        await self._become("restarting", unprepared)
                    else:
                        self.ready_seconds = self.ready_seconds or time.monotonic() - began
                        await self._become("ready", f"The engine at {self.base_url} answers.")
                elif problem is not None and problem != self.reason:
                    known = self.state in ("ready", "restarting")
                    await self._become("restarting" if known else "starting", problem)
                await asyncio.sleep(self._interval)

    async def _problem(self, http: httpx2.AsyncClient) -> str | None:
        try:
            await engine_probe.models(http)
        except (httpx2.HTTPError, ValueError, KeyError, TypeError) as error:
            return explain(self.base_url, error)
        return None


def explain(url: str, error: Exception) -> str:
    """Return in words why the engine at `url` could not be asked for its models."""
    if isinstance(error, httpx2.HTTPStatusError):
        if error.response.status_code in (401, 403):
            return f"The engine at {url} refuses the key. Set ROUNDS_VLLM_KEY."
        return (
            f"The server at {url} answers {error.response.status_code}: "
            "check that ROUNDS_VLLM_URL is a vLLM server."
        )
    return (
        f"The engine at {url} cannot be reached. "
        "Check that it runs and that ROUNDS_VLLM_URL is right."
    )


def connect_external(settings: Settings, on_ready: OnReady | None = None) -> ExternalEngine:
    """Return the engine at `settings.vllm_url`, not yet watched.

    Raises EngineUnavailable when no address is set.
    """
    if not settings.vllm_url:
        raise EngineUnavailable("ROUNDS_VLLM_URL is not set.")
    key = settings.vllm_key.get_secret_value() if settings.vllm_key else None
    return ExternalEngine(settings.vllm_url, key, on_ready)
