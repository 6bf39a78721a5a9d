"""The front door: `rounds …`. Settings, engine and web app are put together here."""

from typing import Annotated

import typer

from serving.cli.jobs import jobs
from serving.cli.keep import keep
from serving.cli.session import plain_errors, say

cli = typer.Typer(
    name="rounds",
    help="Draft, tag, ask and rate with models that run on your own machines.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # its tracebacks show local variables: patient text
)
cli.add_typer(jobs)
cli.add_typer(keep)


@cli.command("run")
def run(
    model: Annotated[str, typer.Option(help="Default model, hub id or folder.")] = "",
    port: Annotated[int, typer.Option(help="Port of the page.")] = 0,
) -> None:
    """Start the engine and the page, and print a one-time sign-in link."""
    from serving import log, offline
    from serving.settings import settings

    offline.apply()
    with plain_errors(interrupted="stopped."):
        changes: dict[str, object] = {"model": model} if model else {}
        changes |= {"port": port} if port else {}
        chosen = settings().model_copy(update=changes)
        chosen.prepare_home()
        log.configure(chosen.logs_path)

        from serving.workbench import Workbench
        from ui.serve import choose_port, serve

        serve(Workbench(choose_port(chosen), progress=say), say)


def main() -> None:
    """Run the command line."""
    cli()


if __name__ == "__main__":
    main()
