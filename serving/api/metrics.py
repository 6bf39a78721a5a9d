"""What /metrics tells, in Prometheus' format: figures only, no text and no names of people."""

import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving import log
from serving.figures import DRAFTS, OUTPUTS, TOKENS
from serving.workbench import Workbench

_LOG = log.get(__name__)
_STATES = ("stopped", "starting", "warming", "ready", "restarting", "failed")


class Metrics:
    """The figures of one app. Routes are named by their template, never by their path."""

    def __init__(self, bench: Workbench) -> None:
        """Count into a registry of our own, so that apps in one process do not mix."""
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "rounds_requests",
            "Requests answered",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "rounds_request_seconds", "Time from request to last byte", ["route"],
            buckets=(0.01, 0.05, 0.2, 1, 5, 20, 60, 300), registry=self.registry,
        )  # fmt: skip
        self.registry.register(_State(bench))
        for counted in (DRAFTS, OUTPUTS, TOKENS):
            self.registry.register(counted)


class _State:
    """Reads the queue and the engine when it is asked."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench

    def collect(self) -> Iterable[Metric]:
        gate, engine = self._bench.gate, self._bench.engine
        yield GaugeMetricFamily("rounds_queue_running", "Requests at the engine", gate.running)
        yield GaugeMetricFamily("rounds_queue_waiting", "Requests in line", gate.waiting)
        state = GaugeMetricFamily(
            "rounds_engine_state", "1 for the present state", labels=["state"]
        )
        for name in _STATES:
            state.add_metric([name], float(engine.state == name))
        yield state


class Counted:
    """Middleware: counts and logs each request by its route."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note how it went."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            self._note(scope, status, time.monotonic() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        # Unmatched paths are one route: they may hold anything, and there may be any number.
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        ours = route.startswith(("/api/", "/export/", "/signin"))
        level = _LOG.info if ours or status >= 400 else _LOG.debug
        level("request", method=method, route=route, status=status, took_ms=round(seconds * 1000))


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
