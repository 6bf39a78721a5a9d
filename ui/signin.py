"""Signing in and out in the browser."""

import asyncio
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from serving.accounts.gate import COOKIE, session_secret
from serving.accounts.sign_in import SESSION_LIFETIME, sign_in, sign_out
from serving.api.people import Bench

router = APIRouter(include_in_schema=False)
_TEMPLATE = (Path(__file__).parent / "static" / "signin.html").read_text("utf-8")


def signin_page(why: str = "You are not signed in.") -> str:
    """Return the page for people who are not signed in: why, and how to get a link."""
    return _TEMPLATE.replace("{{why}}", why)


@router.get("/signin")
async def signin(request: Request, bench: Bench, code: str = "") -> Response:
    """Use a one-time link up: set the session's cookie and go to the page."""
    secret = await asyncio.to_thread(sign_in, bench.store, code) if code else None
    if secret is None:
        why = "This sign-in link has been used or has expired." if code else "No sign-in code."
        return HTMLResponse(signin_page(why), status_code=401)
    response = RedirectResponse("/", status_code=303)
    response.set_cookie(
        COOKIE,
        secret,
        max_age=int(SESSION_LIFETIME.total_seconds()),
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


@router.post("/signout")
async def signout(request: Request, bench: Bench) -> Response:
    """End the session."""
    secret = session_secret(request.headers)
    if secret is not None:
        await asyncio.to_thread(sign_out, bench.store, secret)
    response = HTMLResponse(signin_page("You have signed out."))
    response.delete_cookie(COOKIE, path="/")
    return response
