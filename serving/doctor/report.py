"""What `rounds doctor` finds: versions, hardware, models, switches, and what is wrong.

It only looks: nothing is fetched, made, migrated or started.
"""

import os
import textwrap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from serving import offline
from serving.doctor.machine import browser, disk, home, machine, memory, port
from serving.doctor.stack import Check, engine_build, packages, python
from serving.engine.address import running_engine
from serving.engine.hardware import text_gib
from serving.errors import RoundsError
from serving.models.digest import MANIFEST
from serving.models.files import (
    check_folder,
    embedding_model_path,
    model_damage,
    model_folder,
    weights_bytes,
)
from serving.settings import Settings

__all__ = ["Check", "render", "report"]
_MARKS = {"ok": "ok  ", "warn": "WARN", "fail": "FAIL"}


def report(settings: Settings) -> list[Check]:
    """Return every finding; a check that breaks is itself reported as failed."""
    looks: tuple[Callable[[Settings], Check | Iterable[Check]], ...] = (
        lambda _: python(),
        lambda _: packages(),
        lambda _: list(engine_build()),
        lambda _: machine(),
        lambda s: list(model(s)),
        memory,
        embedding_model,
        home,
        disk,
        database,
        engine,
        port,
        lambda _: offline_switches(),
        lambda _: browser(),
    )
    found: list[Check] = []
    for look in looks:
        try:
            seen = look(settings)
        except (RoundsError, OSError) as error:
            seen = Check("Check", "fail", str(error))
        found += [seen] if isinstance(seen, Check) else seen
    return found


def render(checks: list[Check]) -> str:
    """Return the findings as plain text, what is wrong summed up in the last line."""
    lines = []
    for check in checks:
        text = f"{_MARKS[check.status]} {check.name}: {check.detail}"
        lines += textwrap.wrap(text, 100, subsequent_indent=" " * 7, break_long_words=False)
        if check.advice:
            lines += textwrap.wrap(
                f"-> {check.advice}", 95, initial_indent=" " * 5, subsequent_indent=" " * 8
            )
    fails, warns = (sum(c.status == s for c in checks) for s in ("fail", "warn"))
    last = f"{fails} to put right, {warns} to know about." if fails or warns else "All is well."
    return "\n".join([*lines, "", last])


def model(settings: Settings) -> Iterator[Check]:
    """Check that the model is here and whole."""
    if settings.vllm_url:
        yield Check("Model", "ok", f"served by the engine at {settings.vllm_url}")
        return
    folder, made_here = model_folder(settings)
    if not folder.is_dir():
        if made_here:
            yield Check(
                "Model", "warn", f"{settings.model} is not here yet ({folder})",
                "It is fetched at the first start; `rounds fetch` does it now (needs a network).",
            )  # fmt: skip
        else:
            yield Check("Model", "fail", f"no folder {folder}", "Set ROUNDS_MODEL to another.")
        return
    try:
        check_folder(folder)
    except RoundsError as error:
        yield Check("Model", "fail", str(error), "Set ROUNDS_MODEL to another.")
        return
    summed = made_here or (folder / MANIFEST).exists()
    if summed and (wrong := model_damage(settings, folder)):
        yield Check(
            "Model", "fail", f"{folder} is damaged: {wrong}", "`rounds fetch` makes it again."
        )
        return
    sums = "checksums right" if summed else "a folder of yours: no checksums to compare with"
    yield Check("Model", "ok", f"{folder}, {text_gib(weights_bytes(folder))}, {sums}")


def embedding_model(settings: Settings) -> Check:
    """Check that the sentence embedding model is installed."""
    try:
        return Check("Embedding model", "ok", str(embedding_model_path(settings)))
    except RoundsError as error:
        return Check("Embedding model", "fail", "missing", str(error))


def database(settings: Settings) -> Check:
    """Check that the database answers and is at the newest schema; it is not changed."""
    from sqlalchemy import make_url

    from serving.store.database import Database
    from serving.store.migrate import revisions

    url = settings.store_url
    if url.startswith("sqlite") and not Path(make_url(url).database or "").exists():
        return Check("Database", "ok", "SQLite, made at the first start")
    try:
        opened = Database(url, busy_timeout_s=5)
        try:
            current, newest = revisions(opened)
        finally:
            opened.close()
    except RoundsError as error:
        return Check("Database", "fail", str(error), "Check ROUNDS_DATABASE_URL and its server.")
    kind = "SQLite" if opened.is_sqlite else "Postgres"
    if current != newest:
        old = f"{kind}, schema {current or 'blank'} (newest: {newest})"
        return Check("Database", "warn", old, "It is brought up to date at the next start.")
    return Check("Database", "ok", f"{kind}, schema {current}")


def engine(settings: Settings) -> Check:
    """Check an engine that is said to run."""
    import httpx2

    from serving.engine.external import explain

    if settings.vllm_url:
        key = settings.vllm_key.get_secret_value() if settings.vllm_key else ""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        url = settings.vllm_url.removesuffix("/v1")
        try:
            answer = httpx2.get(f"{url}/v1/models", headers=headers, timeout=5, trust_env=False)
            answer.raise_for_status()
            names = ", ".join(str(m["id"]) for m in answer.json()["data"])
        except (httpx2.HTTPError, ValueError, KeyError, TypeError) as error:
            return Check("Engine", "fail", explain(url, error))
        return Check("Engine", "ok", f"{url} serves {names}")
    if found := running_engine(settings):
        return Check("Engine", "ok", f"running at {found[0]}")
    return Check("Engine", "ok", "not running (it starts with the app)")


def offline_switches() -> Check:
    """Tell the switches that the app and its children run with."""
    wanted = offline.offline_env()
    listed = ", ".join(f"{name}={value}" for name, value in sorted(wanted.items()))
    against = [
        n for n, v in wanted.items() if n.lower() != "no_proxy" and os.environ.get(n, v) != v
    ]
    if against:
        note = f"your environment sets {', '.join(against)} otherwise; Rounds overrides that"
        return Check("Offline", "warn", f"{note}. {listed}", "Unset them to be sure.")
    return Check("Offline", "ok", listed)
