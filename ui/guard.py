"""What happens when an action on the page fails: said plainly, near the action, once."""

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import gradio as gr
from markupsafe import escape

from serving import log
from serving.errors import RoundsError
from ui import marks

Updates = dict[Any, Any]
Handler = Callable[..., Awaitable[Updates]]
Stream = Callable[..., AsyncIterator[Updates]]

# Gradio's page applies the changes from one update to the next in place; two that arrive in one
# go spoil each other (ui/static/keeper.js keeps them apart, too, once it runs).
PAUSE_S = 0.05
_log = log.get(__name__)


def guarded(place: gr.HTML) -> Callable[[Handler], Handler]:
    """Show the errors of a handler in `place`, which empties when it succeeds."""

    def wrap(handler: Handler) -> Handler:
        @functools.wraps(handler)
        async def run(*args: Any) -> Updates:
            try:
                return {place: "", **await handler(*args)}
            except Exception as error:
                return {place: tell(error)}

        return run

    return wrap


def guarded_stream(
    place: gr.HTML, at_end: Callable[[], Updates] | None = None
) -> Callable[[Stream], Stream]:
    """Do the same for a handler that yields; `at_end` is yielded whatever happened."""

    def wrap(handler: Stream) -> Stream:
        if not inspect.isasyncgenfunction(handler):
            raise TypeError("guarded_stream is for handlers that yield")

        @functools.wraps(handler)
        async def run(*args: Any) -> AsyncIterator[Updates]:
            said: Any = ""
            try:
                yield {place: ""}
                async for updates in handler(*args):
                    await asyncio.sleep(PAUSE_S)
                    yield updates
            except Exception as error:
                said = tell(error)
            await asyncio.sleep(PAUSE_S)
            yield {place: said, **(at_end() if at_end else {})}

        return run

    return wrap


def tell(error: Exception) -> str:
    """Warn the user and return the same words for the place near the action."""
    if isinstance(error, RoundsError):
        message = str(error)
    else:
        code = uuid4().hex[:8]
        # The type and place only (the log filter sees to it): the text may be a patient's.
        _log.error("page_error", exc_info=error, error_id=code)
        message = f"Something went wrong in Rounds. Nothing was lost. Error {code} is in the log."
    gr.Warning(str(escape(message)), title="")
    return str(marks.problem(message))
