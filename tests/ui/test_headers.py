"""The policy lets the page's own inline scripts run, and none that came in with a note."""

import base64
import hashlib

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from ui.headers import SecurityHeaders, policy

PAGE = (
    b"<html><script>let a = 1;</script><script src='/x.js'></script><script type=module>b</script>"
)


def sha256(text: bytes) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'"


def directive(policy: str, name: str) -> list[str]:
    found = dict(part.split(" ", 1) for part in policy.split("; "))
    return found[name].split()


def test_inline_scripts_are_named_by_hash() -> None:
    allowed = directive(policy(PAGE), "script-src")
    assert allowed == ["'self'", "'unsafe-eval'", sha256(b"let a = 1;"), sha256(b"b")]
    assert "'unsafe-inline'" not in allowed


def test_no_foreign_host_is_allowed() -> None:
    for part in policy(PAGE).split("; "):
        for source in part.split()[1:]:
            assert source in ("data:", "blob:") or source.startswith("'")
    assert directive(policy(), "default-src") == ["'none'"]
    assert directive(policy(), "frame-ancestors") == ["'none'"]


@pytest.fixture
def client() -> httpx.AsyncClient:
    async def page(_request: object) -> HTMLResponse:
        return HTMLResponse(PAGE, headers={"cache-control": "max-age=60"})

    async def streamed(_request: object) -> StreamingResponse:
        async def parts():  # type: ignore[no-untyped-def]
            yield PAGE[:20]
            yield PAGE[20:]

        return StreamingResponse(parts(), media_type="text/html")

    async def text(_request: object) -> PlainTextResponse:
        return PlainTextResponse("x", headers={"cache-control": "max-age=60"})

    inner = Starlette(
        routes=[Route("/", page), Route("/streamed", streamed), Route("/{path:path}", text)]
    )
    transport = httpx.ASGITransport(SecurityHeaders(inner))
    return httpx.AsyncClient(transport=transport, base_url="http://x")


async def test_pages_come_whole_with_their_policy(client: httpx.AsyncClient) -> None:
    for path in ("/", "/streamed"):
        response = await client.get(path)
        assert response.content == PAGE
        assert response.headers["content-security-policy"] == policy(PAGE)
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["x-frame-options"] == "DENY"


async def test_only_code_may_be_cached(client: httpx.AsyncClient) -> None:
    assert (await client.get("/export/x")).headers["cache-control"] == "no-store"
    assert (await client.get("/assets/x.js")).headers["cache-control"] == "max-age=60"
