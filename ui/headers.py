"""Response headers that keep the page to itself: no foreign host, no frame, no cache.

The content security policy allows scripts from this server, and of inline scripts only those in
the page as it was sent, by their hashes. So markup in a note cannot run even where a component
failed to escape it. Gradio compiles its templates at run time, which needs 'unsafe-eval', and
styles elements directly, which needs inline styles.
"""

import base64
import hashlib
import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_INLINE = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL | re.IGNORECASE)
_POLICY = {
    "default-src": "'none'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "connect-src": "'self'",
    "worker-src": "'self' blob:",
    "manifest-src": "'self'",
    "base-uri": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
_CODE = ("/assets/", "/static/", "/svelte/", "/docs/")
_FIXED = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


def policy(page: bytes = b"") -> str:
    """Return the content security policy for a page with exactly its own inline scripts."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
        for script in _INLINE.findall(page.replace(b"\r\n", b"\n"))
    )
    parts = {**_POLICY, "script-src": f"'self' 'unsafe-eval' {hashes}".strip()}
    return "; ".join(f"{name} {value}" for name, value in parts.items())


class SecurityHeaders:
    """Middleware: HTML is held back until it is whole, all else streams through."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and add the headers to the response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_code = scope["path"].startswith(_CODE)
        await self._app(scope, receive, _Answer(send, is_code).send)


class _Answer:
    """One response on its way out. is_code: it is ours or Gradio's, and may be cached."""

    def __init__(self, send: Send, is_code: bool) -> None:
        self._send = send
        self._is_code = is_code
        self._start: Message | None = None  # of an HTML page, held back
        self._page = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _FIXED.items():
                headers[name] = value
            if not self._is_code:
                headers["cache-control"] = "no-store"
            if headers.get("content-type", "").startswith("text/html"):
                self._start = message
                return
            headers["content-security-policy"] = policy()
            await self._send(message)
        elif self._start is not None and message["type"] == "http.response.body":
            self._page += message.get("body", b"")
            if not message.get("more_body", False):
                await self._finish(self._start)
        else:
            await self._send(message)

    async def _finish(self, start: Message) -> None:
        MutableHeaders(scope=start)["content-security-policy"] = policy(self._page)
        await self._send(start)
        await self._send({"type": "http.response.body", "body": self._page})
