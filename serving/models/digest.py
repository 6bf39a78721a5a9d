"""What a checkpoint is, by content: SHA-256 of its files, cheap to ask for again."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MANIFEST = "rounds-model.json"


def write_json(path: Path, data: Any) -> None:
    """Write a JSON file that is either whole or not there, readable by this user only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump(data, out, indent=2, sort_keys=True)
            out.write("\n")
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file; empty when there is none or it is not one."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def sha256_file(path: Path, cache: Path | None = None) -> str:
    """Return the SHA-256 of a file as hex.

    cache: a JSON file of earlier answers, used while size and time of change are the same.
    """
    stat = path.stat()
    key, seen = str(path.resolve()), [stat.st_size, stat.st_mtime_ns]
    known = read_json(cache) if cache else {}
    entry = known.get(key)
    if isinstance(entry, dict) and entry.get("seen") == seen:
        return str(entry["sha256"])
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if cache:
        kept = {k: v for k, v in known.items() if Path(k).exists()}
        write_json(cache, kept | {key: {"seen": seen, "sha256": digest}})
    return digest


def digest_of(files: Mapping[str, str]) -> str:
    """Return the SHA-256 over the sorted (name, sha256) pairs of a model's files, as hex."""
    canonical = json.dumps(sorted(files.items()), separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def checkpoint_digest(folder: Path, cache: Path | None = None) -> str:
    """Return the digest of a checkpoint: its weights (*.safetensors) and config.json."""
    names = [*folder.glob("*.safetensors"), folder / "config.json"]
    return digest_of({p.name: sha256_file(p, cache) for p in names})


def write_manifest(folder: Path, **about: Any) -> None:
    """Write `rounds-model.json`: where the model came from, size and SHA-256 of each file."""
    files = {
        p.name: {"size": p.stat().st_size, "sha256": sha256_file(p)}
        for p in sorted(folder.iterdir())
        if p.is_file() and p.name != MANIFEST
    }
    write_json(folder / MANIFEST, {**about, "files": files})


def damage(folder: Path, cache: Path | None = None) -> str | None:
    """Return what is wrong with a folder by its manifest, or None when every file is as written."""
    files = read_json(folder / MANIFEST).get("files")
    if not isinstance(files, dict) or not files:
        return f"{MANIFEST} is missing or unreadable"
    for name, entry in files.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != entry.get("size"):
            return f"{name} has the wrong size"
        if sha256_file(path, cache) != entry.get("sha256"):
            return f"{name} has the wrong checksum"
    return None
