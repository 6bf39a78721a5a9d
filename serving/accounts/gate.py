"""The gate in front of every page and route: which names, which origins, which people.

One small ASGI middleware, so that streams pass through untouched and a page that someone adds
later is closed until it is opened here.
"""

import asyncio

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.accounts.sign_in import session_account, token_account
from serving.errors import RoundsError
from serving.store import Store
from serving.store.records import Account

COOKIE = "rounds_session"
OPEN_PATHS = frozenset(
    {"/signin", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/favicon.ico"}
)
OPEN_FOLDERS = ("/docs/",)
# Gradio fetches remote files for the browser under these paths. Nothing leaves the machine.
_FETCHERS = ("file=http:", "file=https:", "proxy=")


class Gate:
    """Refuses foreign hosts (400) and origins (403), and people who are not signed in (401).

    Who asks is found in `scope["state"]`: account, and by_token (API) or not (browser).
    """

    def __init__(
        self,
        app: ASGIApp,
        store: Store,
        hosts: frozenset[str],
        signin_page: str,
    ) -> None:
        """Guard `app`; `hosts` are the Host headers answered, `signin_page` HTML for strangers."""
        self._app = app
        self._store = store
        self._hosts = hosts
        self._signin_page = signin_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through or answer it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal: Response | None
        try:
            refusal = await self._refuse(scope, Headers(scope=scope))
        except RoundsError as error:  # the store is locked or gone
            refusal = _error(error.status, type(error).__name__, str(error))
        await (refusal or self._app)(scope, receive, send)

    async def _refuse(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "").lower()
        # A foreign page can point its own name at 127.0.0.1; its requests then say that name.
        if host not in self._hosts:
            return _error(400, "BadHost", "This address is not one that Rounds answers to.")
        if not from_our_page(headers, host):
            return _error(403, "ForeignOrigin", "Requests from other pages are not answered.")
        if any(fetcher in scope["path"] for fetcher in _FETCHERS):
            return _error(403, "NotAllowed", "Rounds fetches nothing from elsewhere.")
        account, by_token = await self._account(headers)
        scope.setdefault("state", {}).update(account=account, by_token=by_token)
        if account is not None or _is_open(scope["path"]):
            return None
        if scope["path"].startswith("/api/") or "text/html" not in headers.get("accept", ""):
            return _error(
                401, "NotSignedIn", "Sign in, or send an API token as `Authorization: Bearer …`."
            )
        return HTMLResponse(self._signin_page, status_code=401)

    async def _account(self, headers: Headers) -> tuple[Account | None, bool]:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return await asyncio.to_thread(token_account, self._store, token.strip()), True
        secret = session_secret(headers)
        if secret is None:
            return None, False
        return await asyncio.to_thread(session_account, self._store, secret), False


def session_secret(headers: Headers) -> str | None:
    """Return the session's secret from the cookie."""
    return cookie_parser(headers.get("cookie", "")).get(COOKIE)


def from_our_page(headers: Headers, host: str) -> bool:
    """Tell whether a request may ride on the browser's cookie: not if another page sent it.

    An Origin must be ours whatever the method, because Gradio would answer other ports of
    localhost with permission to read. A browser also says where a request without Origin comes
    from; from elsewhere only a link that is followed passes.
    """
    origin = headers.get("origin")
    if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
        return False
    if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        return headers.get("sec-fetch-mode") == "navigate" and origin is None
    return True


def _is_open(path: str) -> bool:
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)


def _error(status: int, kind: str, message: str) -> JSONResponse:
    return JSONResponse({"error": {"message": message, "kind": kind}}, status_code=status)
