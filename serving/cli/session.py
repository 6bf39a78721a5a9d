"""A workbench for the length of one command, and errors as a line instead of a traceback."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from serving.settings import Settings
    from serving.workbench import Workbench

LOCAL = "local"  # the account of whoever sits at this machine


def say(line: str) -> None:
    """Print a line for the person, apart from results (which go to standard output)."""
    print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def plain_errors(interrupted: str = "Interrupted.") -> Iterator[None]:
    """End the command with the error's own words and exit code 1 (130 when interrupted)."""
    from pydantic import ValidationError

    from serving.errors import RoundsError

    try:
        yield
    except RoundsError as error:
        say(f"rounds: {error}")
        raise typer.Exit(1) from None
    except ValidationError as error:
        for problem in error.errors():
            name = "ROUNDS_" + "_".join(str(part) for part in problem["loc"]).upper()
            say(f"rounds: {name}: {problem['msg']}")
        raise typer.Exit(2) from None
    except OSError as error:  # a file that is not there, not ours, on a full disk, …
        where = f"{error.filename}: " if error.filename else ""
        say(f"rounds: {where}{error.strerror or type(error).__name__}.")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        say(f"rounds: {interrupted}")
        raise typer.Exit(130) from None


def run(
    job: Callable[["Workbench"], Coroutine[Any, Any, None]], at_once: int | None = None
) -> None:
    """Run one job with a ready workbench, then take the workbench down.

    at_once: requests at the engine at once, where the job is a batch (see `for_batch`).
    """

    async def whole() -> None:
        async with workbench(at_once) as ready:
            await job(ready)

    with plain_errors("interrupted; run the same command again to go on where it stopped."):
        asyncio.run(whole())


def for_batch(settings: "Settings", at_once: int) -> "Settings":
    """Return the settings of a batch: `at_once` requests at the engine, and no end to the line.

    The line is kept short where many people share the engine. Here one person waits, for all.
    """
    return settings.model_copy(update={"max_in_flight": at_once, "max_waiting": sys.maxsize})


@asynccontextmanager
async def workbench(at_once: int | None = None) -> AsyncIterator["Workbench"]:
    """Yield a workbench whose engine is ready: a running app's engine, or one of our own."""
    from serving import log, offline
    from serving.settings import settings

    offline.apply()
    settings().prepare_home()
    log.configure(settings().logs_path)
    from serving.workbench import Workbench

    chosen = for_batch(settings(), at_once) if at_once else settings()
    built = Workbench(chosen, progress=say, share_engine=True)
    try:
        say("Waiting for the engine …")
        await built.start()
        await built.engine.wait_ready(built.settings.engine_timeout_s)
        yield built
    finally:
        await built.close()


def local_account(built: "Workbench") -> int:
    """Return the id of the account that command-line work is kept under."""
    return built.store.accounts.ensure(LOCAL, "admin").id
