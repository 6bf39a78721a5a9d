"""Answers that take long: as a stream of events, or waited for; both end when the client goes."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from fastapi import Request
from sse_starlette import EventSourceResponse, ServerSentEvent

from serving.api.errors import ClientGone, told

T = TypeVar("T")
Events = AsyncIterator[tuple[str, dict[str, Any]]]


def wants_json(request: Request) -> bool:
    """Tell whether the client asks for one JSON answer; the default is a stream."""
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/event-stream" not in accept


def event_stream(events: Events) -> EventSourceResponse:
    """Return a response of server-sent events: name and JSON data.

    When the client goes away the generator is closed, so its `finally` must stop the work.
    """
    return EventSourceResponse(_encoded(events), headers={"Cache-Control": "no-store"})


async def _encoded(events: Events) -> AsyncIterator[ServerSentEvent]:
    try:
        async for name, data in events:
            yield ServerSentEvent(json.dumps(data, ensure_ascii=False), event=name)
    except Exception as error:
        _, body = told(error)
        yield ServerSentEvent(json.dumps(body, ensure_ascii=False), event="error")


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Return the result of `work`; cancel it and raise ClientGone when the client goes away."""
    working = asyncio.create_task(work)
    gone = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone
        return working.result()
    finally:
        for task in (gone, working):
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await task  # its own cleanup is over before we answer


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
