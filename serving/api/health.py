"""/healthz, /readyz and /metrics, for those who run the machine; open, for they tell nothing."""

import asyncio

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, Response

from serving.api.people import Bench
from serving.errors import RoundsError

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Say that the process lives."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(bench: Bench) -> Response:
    """Say whether drafts can be written now: 200, or 503 with the reason."""
    reason = "" if bench.engine.state == "ready" else bench.engine.reason
    try:
        await asyncio.to_thread(bench.store.ping)
    except RoundsError as error:
        reason = str(error)
    body = {"status": "not ready" if reason else "ready", "engine": bench.engine.state}
    if reason:
        return JSONResponse({**body, "reason": reason}, status_code=503)
    return JSONResponse(body)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Tell the figures in Prometheus' format."""
    text = generate_latest(request.app.state.metrics.registry)
    return Response(text, media_type=CONTENT_TYPE_LATEST)
