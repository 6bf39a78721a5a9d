"""`rounds doctor | fetch | link | token | ratings | models`: looking after the house."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serving.cli.session import plain_errors, run, say
from serving.errors import NotFound

if TYPE_CHECKING:
    from serving.store import Store
    from serving.workbench import Workbench

keep = typer.Typer()
token = typer.Typer(help="API tokens.", no_args_is_help=True)
ratings = typer.Typer(help="Ratings of outputs.", no_args_is_help=True)
models = typer.Typer(help="What is served, and what may be.", no_args_is_help=True)
keep.add_typer(token, name="token")
keep.add_typer(ratings, name="ratings")
keep.add_typer(models, name="models")


class FileFormat(StrEnum):
    """The forms that ratings are exported in."""

    csv = "csv"
    jsonl = "jsonl"
    parquet = "parquet"


@keep.command()
def doctor() -> None:
    """Say what is installed, what is here, and what is wrong with it."""
    from serving.doctor.report import render, report
    from serving.settings import settings

    with plain_errors():
        checks = report(settings())
        print(render(checks))
    if any(check.status == "fail" for check in checks):
        raise typer.Exit(1)


@keep.command()
def fetch() -> None:
    """Get the model that ROUNDS_MODEL names (or the default one) and keep it on this disk."""
    from serving.models.files import ensure_model
    from serving.settings import settings

    with plain_errors():
        files = ensure_model(settings(), say)
        print(f"{files.name}: {files.path} (sha256 {files.digest[:12]})")


@keep.command()
def link() -> None:
    """Print a new one-time sign-in link for the app that runs on this machine."""
    from serving.accounts.binding import page_url
    from serving.accounts.sign_in import signin_link
    from serving.settings import settings

    with _store() as store:
        print(signin_link(store, page_url(settings())))


@token.command("create")
def token_create(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    days: Annotated[int, typer.Option(min=0, help="Days until it expires; 0: never.")] = 90,
) -> None:
    """Make an API token and print it; it is shown this once."""
    from serving.accounts.sign_in import create_token, local_account

    with _store() as store:
        lifetime = timedelta(days=days) if days else None
        secret, _ = create_token(store, local_account(store), name, lifetime)
        print(secret)


@token.command("list")
def token_list() -> None:
    """List API tokens by name and last four characters."""
    with _store() as store:
        for account in store.accounts.all():
            for kept in store.accounts.tokens(account.id):
                ends = f"until {kept.expires_at:%Y-%m-%d}" if kept.expires_at else "no expiry"
                state = "revoked" if kept.revoked_at else ends
                print(f"{kept.id}\t{account.name}\t{kept.name}\t…{kept.last4}\t{state}")


@token.command("revoke")
def token_revoke(token_id: Annotated[int, typer.Argument(help="Its number in the list.")]) -> None:
    """Make a token useless from now on."""
    with _store() as store:
        for account in store.accounts.all():
            if token_id in [kept.id for kept in store.accounts.tokens(account.id)]:
                store.accounts.revoke_token(account.id, token_id)
                break
        else:
            raise NotFound(f"There is no token {token_id}; see `rounds token list`.")
        print("Revoked.")


@ratings.command("export")
def ratings_export(
    out: Annotated[Path, typer.Option("--out", help="The file to write.")],
    format: Annotated[FileFormat, typer.Option(help="The form of the file.")] = FileFormat.csv,
) -> None:
    """Write every rating with all its fields to a file."""
    with _store() as store:
        print(f"{store.ratings.export(format.value, out)} ratings written to {out}")


@models.command("list")
def models_list() -> None:
    """Show what is served, with digests, and which adapters may be loaded."""

    async def job(built: "Workbench") -> None:
        for model in await built.registry.status():
            aliases = ", ".join(model.aliases) or "-"
            print(f"{model.name}\t{model.kind}\t{model.digest[:12]}\tanswers for {aliases}")
        for name, folder in built.registry.available().items():
            print(f"{name}\tavailable\t{folder}")

    run(job)


@contextmanager
def _store() -> Iterator["Store"]:
    """Open the store alone, with no engine; errors in their own words."""
    from serving.settings import settings
    from serving.store import Store

    with plain_errors():
        settings().prepare_home()
        with Store(settings().store_url) as store:
            store.migrate()
            yield store
