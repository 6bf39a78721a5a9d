"""Logs without patient text: what is not known to be harmless becomes its length.

Our own lines carry an event in snake_case and fields from an allow-list. Lines of libraries keep
only logger, level and place, because their messages can quote a request. An exception is told by
type and place; its message is kept only if it is a RoundsError, whose messages are written to be
read by anyone (serving/errors.py).
"""

import logging
import re
import sys
import threading
import traceback
from collections.abc import Mapping, MutableMapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import structlog

from serving.errors import RoundsError

_ROOT = Path(__file__).parent.parent
_PACKAGES = ("tasks", "serving", "ui", "dataprep", "finetune", "app.py")

# Names of fields that never hold patient text. Their values are still checked (_harmless).
FIELDS = frozenset(
    """account_id adapter attempt chars checkpoint count digest draft_id engine error error_id
    event exit_code format in_flight job_id kind level limit logger method model output_id pid
    place port preset reason role route seconds section served signal size slots spans state
    status store task timestamp tokens took_ms version waiting where""".split()
)
_EVENT = re.compile(r"[a-z][a-z0-9_.]{0,79}")
_HARMLESS = re.compile(r"[A-Za-z0-9_.,:;/@+=%()<>\[\]{}-]{0,200}")  # no spaces: no sentences
# Loggers of libraries whose messages speak of the server and never of a request.
_TALKERS = ("uvicorn.error", "alembic.runtime.migration")


def get(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module; safe before `configure`, too."""
    return cast("structlog.stdlib.BoundLogger", structlog.get_logger(name))


def no_patient_text(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> Mapping[str, Any]:
    """Keep the allow-listed fields with harmless values; of all else keep the length."""
    exc = _exception(event.pop("exc_info", None))
    event.pop("stack_info", None)
    kept: dict[str, Any] = {}
    for key, value in event.items():
        if key.startswith("_"):  # structlog's own bookkeeping, removed before rendering
            kept[key] = value
        elif key == "event" and not _EVENT.fullmatch(str(value)):
            kept["event"] = f"unnamed_event_of_{len(str(value))}_characters"
        elif key in FIELDS and _harmless(value):
            kept[key] = value
        elif key.isidentifier() and len(key) <= 40:
            kept[f"{key}_length"] = len(str(value))
    if exc is not None:
        kept |= describe(exc)
    return kept


def describe(exc: BaseException) -> dict[str, str]:
    """Return an exception as type and place, with its message only if it is a RoundsError."""
    told = {"error": type(exc).__qualname__, "where": _where(exc.__traceback__)}
    cause = exc.__cause__ or (None if exc.__suppress_context__ else exc.__context__)
    if cause is not None:
        told["cause"] = f"{type(cause).__qualname__} at {_where(cause.__traceback__)}"
    if isinstance(exc, RoundsError):
        told["message"] = str(exc)
    return told


def _where(tb: TracebackType | None) -> str:
    """Return the innermost place, and the innermost place in this house if that is another."""
    places = [
        (f.filename, f.lineno)
        for f in traceback.StackSummary.extract(traceback.walk_tb(tb), lookup_lines=False)
    ]
    if not places:
        return "unknown"
    ours = [p for p in places if _in_house(p[0])]
    last = ours[-1:] + [p for p in places[-1:] if p not in ours[-1:]]
    return " > ".join(f"{_short(name)}:{line}" for name, line in last)


def _in_house(filename: str) -> bool:
    return _short(filename).split("/")[0] in _PACKAGES


def _short(filename: str) -> str:
    """Return a path from the project or from site-packages, without the machine's folders."""
    if "site-packages/" in filename:
        return filename.rsplit("site-packages/", 1)[1]
    path = Path(filename)
    return str(path.relative_to(_ROOT)) if path.is_relative_to(_ROOT) else path.name


def _harmless(value: Any) -> bool:
    if value is None or isinstance(value, bool | int | float):
        return True
    return isinstance(value, str) and _HARMLESS.fullmatch(value) is not None


def _exception(exc_info: Any) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return cast("BaseException | None", exc_info[1])
    return sys.exc_info()[1] if exc_info else None


def _foreign(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Reduce a library's record to its logger, level and place."""
    record: logging.LogRecord = event["_record"]
    kept = dict(event) | {
        "event": "library_message",
        "logger": record.name,
        "where": f"{_short(record.pathname)}:{record.lineno}",
    }
    # A traceback that uvicorn pasted into a message has more than one line.
    message = str(event["event"])
    if record.name in _TALKERS and not event.get("exc_info") and "\n" not in message:
        kept["_talk"] = message
    return kept


def _talk(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    if talk := event.pop("_talk", None):
        event["message"] = talk
    return event


_SHARED: list[Any] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]

structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *_SHARED,
        no_patient_text,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
)


def formatter() -> logging.Formatter:
    """Return the formatter that every handler must have: one JSON object a line."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_SHARED, _foreign, no_patient_text, _talk],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    )


def configure(folder: Path | None = None, *, level: int = logging.INFO) -> None:
    """Send all logs of this process to rounds.log in `folder`, and warnings to stderr.

    Without a folder everything goes to stderr.

    Tracebacks that Python or a library would print are told by type and place, too.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    if folder is not None:
        name = folder / "rounds.log"
        name.touch(mode=0o600)
        handlers[0].setLevel(logging.WARNING)  # a person reads the terminal
        handlers.append(RotatingFileHandler(name, maxBytes=10_000_000, backupCount=5))
    for handler in handlers:
        handler.setFormatter(formatter())
    logging.basicConfig(level=level, handlers=handlers, force=True)
    logging.raiseExceptions = False  # a failing handler would print the record's arguments
    # Requests with their paths, and lines that tell nobody anything.
    for noisy in (
        "httpx",
        "httpx2",
        "httpcore",
        "httpcore2",
        "openai",
        "uvicorn.access",
        "alembic.runtime.plugins",
    ):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # at import it misses a GPU
    _no_printed_tracebacks()


def _no_printed_tracebacks() -> None:
    def log_current(*_args: Any, **_kwargs: Any) -> None:
        get("uncaught").error("exception_in_library", exc_info=True)

    def log_uncaught(_type: Any, exc: BaseException, _tb: Any) -> None:
        if isinstance(exc, KeyboardInterrupt):
            return
        get("uncaught").critical("uncaught_exception", exc_info=exc)

    def log_thread(args: threading.ExceptHookArgs) -> None:
        get("uncaught").error("uncaught_in_thread", exc_info=args.exc_value)

    def log_unraisable(args: Any) -> None:
        get("uncaught").error("unraisable_exception", exc_info=args.exc_value)

    # Gradio prints the traceback, message included, of every handler that fails.
    traceback.print_exc = log_current
    sys.excepthook = log_uncaught
    threading.excepthook = log_thread
    sys.unraisablehook = log_unraisable
