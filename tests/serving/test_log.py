"""A patient's name, planted in every way into a log, must not come out."""

import asyncio
import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving import log
from serving.errors import BadInput

NAME = "Wilhelmina Zaphod"


class Captured(io.StringIO):
    def rows(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def captured() -> Iterator[Captured]:
    """What reaches the root logger, through the formatter that `configure` sets."""
    stream = Captured()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(log.formatter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield stream
    root.setLevel(level)
    root.removeHandler(handler)


def boom(text: str) -> None:
    raise ValueError(f"cannot parse {text}")


def test_known_fields_stay(captured: Captured) -> None:
    log.get("x").info("draft_started", draft_id="d1", tokens=1234, section="history")
    row = captured.rows()[0]
    assert row["event"] == "draft_started"
    assert (row["draft_id"], row["tokens"], row["section"]) == ("d1", 1234, "history")
    assert row["level"] == "info"


def test_unknown_fields_and_sentences_become_their_length(captured: Captured) -> None:
    log.get("x").info(
        "saved", patient=NAME, section=f"about {NAME}", task=[NAME], draft_id={1: NAME}
    )
    log.get("x").info(f"saved the draft of {NAME}")
    log.get("x").bind(note=NAME).warning("bound")
    assert NAME not in captured.getvalue()
    assert captured.rows()[0]["patient_length"] == len(NAME)
    assert "patient" not in captured.rows()[0]


def test_an_exception_is_told_by_type_and_place(captured: Captured) -> None:
    try:
        boom(NAME)
    except ValueError:
        log.get("x").exception("failed")
    row = captured.rows()[0]
    assert NAME not in captured.getvalue()
    assert row["error"] == "ValueError"
    assert "test_log.py" in str(row["where"])


def test_the_cause_is_told_without_its_message(captured: Captured) -> None:
    try:
        try:
            boom(NAME)
        except ValueError as error:
            raise BadInput("The file is not UTF-8. Save it as UTF-8.") from error
    except BadInput as error:
        log.get("x").error("refused", exc_info=error)
    row = captured.rows()[0]
    assert row["message"] == "The file is not UTF-8. Save it as UTF-8."
    assert str(row["cause"]).startswith("ValueError at ")
    assert NAME not in captured.getvalue()


def test_a_library_message_keeps_only_its_place(captured: Captured) -> None:
    other = logging.getLogger("somebody.else")
    other.info("prompt: %s", NAME)
    other.warning(f"prompt: {NAME}")
    other.error({"prompt": NAME})
    try:
        boom(NAME)
    except ValueError:
        other.exception("while reading %s", NAME)
    assert NAME not in captured.getvalue()
    rows = captured.rows()
    assert [r["level"] for r in rows] == ["info", "warning", "error", "error"]
    assert all(r["logger"] == "somebody.else" for r in rows)
    assert rows[3]["error"] == "ValueError"


def test_the_servers_own_messages_stay(captured: Captured) -> None:
    logging.getLogger("uvicorn.error").info("Application startup complete.")
    logging.getLogger("uvicorn.error").error(f"Traceback\n  ValueError: {NAME}")
    assert captured.rows()[0]["message"] == "Application startup complete."
    assert NAME not in captured.getvalue()


async def test_a_task_nobody_waited_for(captured: Captured) -> None:
    async def fail() -> None:
        boom(NAME)

    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    asyncio.get_running_loop().call_exception_handler(
        {"message": f"lost {NAME}", "exception": task.exception(), "task": task}
    )
    assert captured.rows()[0]["error"] == "ValueError"
    assert NAME not in captured.getvalue()


PROGRAM = f"""
import logging, sys, threading, traceback
from pathlib import Path
from serving import log
log.configure(Path(sys.argv[1]))
def fail():
    raise KeyError("{NAME}")
try:
    fail()
except KeyError:
    traceback.print_exc()
thread = threading.Thread(target=fail)
thread.start(); thread.join()
class Odd:
    def __del__(self): fail()
Odd()
logging.getLogger("x").warning("%d %d", "{NAME}")   # malformed: logging itself would print it
log.get("y").info("fine", count=1)
fail()
"""


def test_nothing_is_printed_by_the_whole_process(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=False
    )
    written = (tmp_path / "rounds.log").read_text()
    assert done.returncode == 1
    for text in (done.stdout, done.stderr, written):
        assert NAME not in text
        assert "Zaphod" not in text
    events = [json.loads(line)["event"] for line in written.splitlines()]
    for event in ("exception_in_library", "uncaught_in_thread", "unraisable_exception"):
        assert event in events
    assert events[-1] == "uncaught_exception"
    assert (tmp_path / "rounds.log").stat().st_mode & 0o077 == 0
