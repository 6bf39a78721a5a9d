"""A note of the running engine's address, so that batch jobs on the command line can use it."""

import os
import time
from pathlib import Path

import httpx2

from serving.models.digest import read_json, write_json
from serving.settings import Settings


def path(settings: Settings) -> Path:
    """Return where the note lies; it holds the key, so only this user may read it."""
    return settings.home / "run" / "engine.json"


def write(settings: Settings, url: str, key: str, pid: int, model: str) -> None:
    """Note the address of an engine that is ready."""
    path(settings).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_json(
        path(settings), {"url": url, "key": key, "pid": pid, "model": model, "at": time.time()}
    )


def remove(settings: Settings) -> None:
    """Take the note away."""
    path(settings).unlink(missing_ok=True)


def running_engine(settings: Settings) -> tuple[str, str] | None:
    """Return (base_url, key) of the engine that another process of this home runs, or None."""
    note = read_json(path(settings))
    try:
        url, key, pid = str(note["url"]), str(note["key"]), int(note["pid"])
        os.kill(pid, 0)  # asks whether it lives
        answer = httpx2.get(f"{url}/health", timeout=5.0, trust_env=False)
    except (KeyError, ValueError, OSError, httpx2.HTTPError):
        return None
    return (url, key) if answer.status_code == httpx2.codes.OK else None
