"""Running the web app until it is told to stop."""

import asyncio
from collections.abc import Callable

import uvicorn

from serving.accounts.binding import page_url
from serving.accounts.sign_in import signin_link
from serving.engine.command import free_port, port_is_free
from serving.errors import EngineUnavailable, RoundsError
from serving.settings import Settings
from serving.workbench import Workbench
from ui.web import create_app

Say = Callable[[str], None]
_LINGER_S = 5  # open streams get this long to end when the app stops


def choose_port(settings: Settings) -> Settings:
    """Return the settings with a port that is free; raise EngineUnavailable where it is not."""
    if settings.port == 0:
        return settings.model_copy(update={"port": free_port()})
    if not port_is_free(settings.port):
        raise EngineUnavailable(
            f"Port {settings.port} is taken, perhaps by another Rounds. Stop it, or choose another "
            f"port: ROUNDS_PORT={settings.port + 1}."
        )
    return settings


def serve(bench: Workbench, say: Say) -> None:
    """Run until SIGINT or SIGTERM; `say` prints lines for the person at the terminal.

    Raises RoundsError when the engine or the app cannot start.
    """
    asyncio.run(_serve(bench, say))


async def _serve(bench: Workbench, say: Say) -> None:
    try:
        server = uvicorn.Server(
            uvicorn.Config(
                create_app(bench),
                host=bench.settings.host,
                port=bench.settings.port,
                log_config=None,  # ours is set already, and holds no patient text
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_LINGER_S,
            )
        )
        await bench.start()
    except RoundsError:
        await bench.close()
        raise
    telling = asyncio.create_task(_tell(bench, server, say))
    try:
        await server.serve()
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def _tell(bench: Workbench, server: uvicorn.Server, say: Say) -> None:
    """Print the sign-in link once the page answers, then how the engine is doing."""
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.05)
    base_url = page_url(bench.settings)
    link = await asyncio.to_thread(signin_link, bench.store, base_url)
    say(f"\nRounds is at {base_url}\nSign in, once, within 15 minutes:\n\n    {link}\n")
    say("Loading the model; the page can be opened meanwhile. Ctrl-C stops everything.")
    try:
        await bench.engine.wait_ready(bench.settings.engine_timeout_s)
    except EngineUnavailable as error:
        say(f"The engine did not start: {error}")
    else:
        say(f"The engine is ready: {bench.model_name}.")
        await asyncio.to_thread(bench.index.warm)  # the first question need not wait for it
