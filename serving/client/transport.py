"""Sending to the engine: what may be sent again, and errors in the user's words."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx2
import openai
import stamina

from serving.errors import BadInput, EngineUnavailable, ModelProblem
from tasks.base import Constraint

T = TypeVar("T")

# Reading a token may wait behind a long prefill; connecting to loopback may not.
TIMEOUT = httpx2.Timeout(connect=5.0, read=600.0, write=30.0, pool=600.0)

# A request that never reached the engine, or that it turned away unread, may be sent again.
_NOT_STARTED = (httpx2.ConnectError, httpx2.ConnectTimeout, openai.InternalServerError)


def _may_retry(error: Exception) -> bool:
    cause = error.__cause__ if isinstance(error, openai.APIConnectionError) else error
    if isinstance(cause, openai.InternalServerError):
        return cause.status_code == httpx2.codes.SERVICE_UNAVAILABLE
    return isinstance(cause, _NOT_STARTED)


async def safely(ask: Callable[[], Awaitable[T]]) -> T:
    """Send, retrying only what the engine has not begun; turn the rest into our errors."""
    try:
        async for attempt in stamina.retry_context(on=_may_retry, attempts=3, wait_max=1.0):
            with attempt:
                return await ask()
    except openai.NotFoundError as error:
        raise ModelProblem("The engine does not serve this model any more.") from error
    except openai.BadRequestError as error:
        raise BadInput("The engine refused the request as malformed.") from error
    except (openai.APIError, httpx2.HTTPError) as error:
        raise EngineUnavailable(
            "The engine cannot be reached at the moment. It restarts by itself; "
            "please try again in a minute."
        ) from error
    raise AssertionError("unreachable")


def structured(constraint: Constraint) -> dict[str, Any]:
    """Return the constraint as what vLLM calls `structured_outputs`."""
    if constraint.json_schema is not None:
        # Without this the grammar lets a small model write white space for ever.
        return {"json": constraint.json_schema, "disable_any_whitespace": True}
    if constraint.choice is not None:
        return {"choice": list(constraint.choice)}
    return {"regex": constraint.regex}


def reason(response: httpx2.Response) -> str:
    """Return the engine's own words; adapter calls carry no patient text."""
    try:
        error = response.json().get("error", {})
        return str(error.get("message") or response.text)[:300]
    except ValueError:
        return response.text[:300]
