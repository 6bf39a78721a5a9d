"""The engine's log file: rotated, for this user only, without patient text.

vLLM logs no prompts as it is started here, but a crash dumps the requests in flight and an error
can quote the words it stumbled over. So once the engine answers requests, only lines that cannot
hold a prompt are kept whole; of the rest the file keeps who said it, where in the code, and the
kind of error. Standard library only: the leash uses this.
"""

import logging.handlers
import os
import re
from pathlib import Path
from typing import IO

from serving.engine.problems import PATTERNS, diagnose, hopeless

__all__ = ["Redactor", "copy_log", "diagnose", "hopeless", "log_tail"]

KEPT = 3  # older log files
BIGGEST = 20 * 1024**2  # bytes of one log file

_SERVING = "Application startup complete"  # uvicorn says so before the first request
_PREFIX = re.compile(r"^\(.{1,40}? pid=\d+\) (?:[A-Z]+) [\d-]+ [\d:]+ \[[\w./]+:\d+\]")
_HARMLESS = re.compile(
    r"Engine \d+: Avg|Loaded new LoRA|Removed LoRA|Reset|Application (startup|shutdown)"
    r"|Shutting down|Waiting for (application|connections)|Finished server process|\[shutdown\]"
    r"|Started server process|Process \S+ (died|terminated)|EngineDeadError|engine core"
)
_FRAME = re.compile(r'^(\(.{1,40}? pid=\d+\) )?(\S+ )*\s*File "[^"]+", line \d+, in \S+\s*$')
_ERROR = re.compile(
    r"(?:^|\s)((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit))(?::|\s*$)"
)


class Redactor:
    """Lets a log line through whole, in part or not at all."""

    def __init__(self) -> None:
        self.serving = False

    def __call__(self, line: str) -> str | None:
        """Return what may be written of a line; None: nothing."""
        if not self.serving:
            self.serving = _SERVING in line
            return line
        if _FRAME.match(line):
            return line
        prefix = _PREFIX.match(line)
        said = line[prefix.end() :] if prefix else line
        if prefix and _HARMLESS.match(said.strip()):
            return line
        if not prefix and line.startswith("INFO: ") and _HARMLESS.match(line[5:].strip()):
            return line
        error = _ERROR.search(said)
        known = [key for key, (pattern, _) in PATTERNS.items() if pattern.search(said)]
        if not (prefix or error or known):
            return None
        kind = f" {error[1]}:" if error else ""
        note = f" known as: {', '.join(known)};" if known else ""
        return f"{prefix[0] if prefix else ''}{kind}{note} (the words are withheld)"


def log_tail(path: Path, size: int = 64 * 1024) -> str:
    """Return the last `size` bytes of a log as text; empty when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - size))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def copy_log(stream: IO[bytes], path: Path) -> None:
    """Copy the engine's output to its log until it ends, through the redactor."""
    os.umask(0o077)
    path.parent.mkdir(parents=True, exist_ok=True)
    redact = Redactor()
    file = logging.handlers.RotatingFileHandler(
        path, maxBytes=BIGGEST, backupCount=KEPT, encoding="utf-8", delay=True
    )
    logging.raiseExceptions = False  # a full disk must not stop the engine
    if path.exists():
        file.doRollover()
    for raw in iter(lambda: stream.readline(65536), b""):
        line = redact(raw.decode(errors="replace").rstrip("\n"))
        if line is not None:
            file.emit(logging.makeLogRecord({"msg": line}))
    file.close()
