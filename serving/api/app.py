"""Puts the API on a FastAPI app."""

from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer
from starlette.middleware import Middleware

from serving.accounts.binding import allowed_hosts, is_loopback
from serving.accounts.gate import Gate
from serving.api import ask, docs, draft, health, models, ratings, tag
from serving.api.errors import add_error_handlers
from serving.api.limits import BodyLimit
from serving.api.metrics import Counted, Metrics
from serving.notice import NOTICE
from serving.workbench import Workbench


def new_app(bench: Workbench, signin_page: str, middleware: list[Middleware]) -> FastAPI:
    """Return an app with the API's routes behind the gate.

    signin_page: HTML for people who are not signed in. middleware: what goes around the gate.
    """
    metrics = Metrics(bench)
    app = FastAPI(
        title="Rounds",
        description=f"{NOTICE} Send an API token as `Authorization: Bearer …`.",
        docs_url=None,
        redoc_url=None,
        middleware=[
            *middleware,
            Middleware(Counted, metrics=metrics),
            Middleware(
                Gate,
                store=bench.store,
                hosts=allowed_hosts(bench.settings),
                signin_page=signin_page,
            ),
            Middleware(BodyLimit, megabytes=bench.settings.max_upload_mb),
        ],
    )
    app.state.workbench = bench
    app.state.metrics = metrics
    app.state.loopback = is_loopback(bench.settings.host)
    add_error_handlers(app)
    # The gate has looked already; this tells OpenAPI, so that /docs offers a place for the token.
    bearer = Depends(HTTPBearer(auto_error=False))
    for part in (draft, tag, ask, ratings, models):
        app.include_router(part.router, dependencies=[bearer])
    for part in (health, docs):
        app.include_router(part.router)
    return app
