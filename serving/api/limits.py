"""No request body larger than ROUNDS_MAX_UPLOAD_MB."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """Middleware: answers 413 at once by the length told, or as soon as more has come."""

    def __init__(self, app: ASGIApp, megabytes: int) -> None:
        self._app = app
        self._limit = megabytes * 1024 * 1024
        self._message = (
            f"The request is larger than {megabytes} MB. Send fewer notes at once, or let an admin "
            "raise ROUNDS_MAX_UPLOAD_MB."
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting its bytes."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = Headers(scope=scope).get("content-length", "0")
        if not told.isdecimal() or int(told) > self._limit:
            body = {"error": {"message": self._message, "kind": "TooLong"}}
            await JSONResponse(body, status_code=413)(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                raise HTTPException(413, self._message)
            return message

        await self._app(scope, counted, send)
