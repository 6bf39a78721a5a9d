"""The web app: API, sign-in, downloads, and the Gradio page at `/`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from starlette.middleware import Middleware

from serving import offline, uploads
from serving.accounts.access import account_of
from serving.accounts.binding import check_binding
from serving.api.app import new_app
from serving.errors import NotAllowed
from serving.workbench import Workbench
from ui import exports, signin
from ui.headers import SecurityHeaders


def create_app(bench: Workbench) -> FastAPI:
    """Return the app; starting it starts the workbench, stopping it stops the workbench.

    Raises NotSafeToStart where the settings would open it to people who are not let in.
    """
    check_binding(bench.settings, bench.store)
    offline.apply()
    folder = uploads.prepare(bench.settings.home)  # before Gradio is imported
    app = new_app(bench, signin.signin_page(), [Middleware(SecurityHeaders)])

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await bench.start()
        try:
            yield
        finally:
            await bench.close()
            await asyncio.to_thread(uploads.remove, folder)

    app.router.lifespan_context = lifespan
    app.include_router(signin.router)
    app.include_router(exports.router)
    return _mount_page(app, bench)


def _mount_page(app: FastAPI, bench: Workbench) -> FastAPI:
    import gradio as gr
    from gradio import processing_utils

    from ui.page import build
    from ui.theme import mount_options

    # Gradio would fetch a file that a request names by URL. Nothing leaves the machine.
    processing_utils.async_ssrf_protected_download = _fetch_nothing
    gr.mount_gradio_app(
        app,
        build(bench),
        path="/",
        auth_dependency=_who,
        show_error=False,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        enable_monitoring=False,
        max_file_size=f"{bench.settings.max_upload_mb}mb",
        **mount_options(),
    )
    return app


async def _fetch_nothing(url: str, cache_dir: str) -> str:
    raise NotAllowed("Rounds fetches nothing from elsewhere. Upload the file itself.")


def _who(request: Request) -> str | None:
    """Tell Gradio who asks; handlers find the account's name in `gr.Request.username`."""
    account = account_of(request)
    return account.name if account else None
