"""Every failure as {"error": {"message", "kind"}}, with nothing of the request in it."""

import secrets
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from serving import log
from serving.errors import RoundsError
from serving.intake.problems import in_words

_LOG = log.get(__name__)
_OURS = "Something went wrong in Rounds, and nothing was changed. Tell an admin the id {id}."


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


def told(error: BaseException) -> tuple[int, dict[str, Any]]:
    """Return status and body for an error; one that was not foreseen is logged under an id."""
    if isinstance(error, ClientGone):
        return 499, _body("The client went away.", "ClientGone")
    known = _known(error)
    if known is not None:
        return known.status, _body(str(known), type(known).__name__)
    error_id = secrets.token_hex(6)
    _LOG.error("unexpected_error", error_id=error_id, exc_info=error)
    return 500, _body(_OURS.format(id=error_id), "Unexpected", id=error_id)


def _known(error: BaseException) -> RoundsError | None:
    """Return the RoundsError, also one that a task group has wrapped."""
    if isinstance(error, RoundsError):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next((found for e in error.exceptions if (found := _known(e))), None)
    return None


def _body(message: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "kind": kind, **more}}


def add_error_handlers(app: FastAPI) -> None:
    """Make the app answer all errors in one form."""

    @app.exception_handler(RoundsError)
    @app.exception_handler(ExceptionGroup)
    @app.exception_handler(ClientGone)
    @app.exception_handler(Exception)
    async def _any(_request: Request, error: Exception) -> JSONResponse:
        status, body = told(error)
        headers = {"Retry-After": "5"} if status in (429, 503) else None
        return JSONResponse(body, status_code=status, headers=headers)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        # FastAPI's own answer repeats the input, which is the patient's.
        problems = in_words({**e, "loc": e["loc"][1:]} for e in error.errors())
        message = f"The request cannot be used: {'; '.join(problems)}."
        return JSONResponse(_body(message, "BadInput"), status_code=422)

    @app.exception_handler(HTTPException)
    async def _http(_request: Request, error: HTTPException) -> JSONResponse:
        body = _body(str(error.detail), "Http")
        return JSONResponse(body, status_code=error.status_code, headers=error.headers)
