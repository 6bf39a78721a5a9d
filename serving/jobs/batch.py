"""Batch jobs over JSON lines: in order, many in flight, resumable at any line."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TextIO, TypeVar

from serving.errors import BadInput, EngineUnavailable, RoundsError

Line = dict[str, Any]
T = TypeVar("T")


@dataclass(slots=True)
class BatchReport:
    """What a run did: lines written now, lines that were there before, and failures by id."""

    written: int = 0
    skipped: int = 0
    failed: dict[str, str] = field(default_factory=dict)


async def in_order(
    items: Iterable[T], work: Callable[[T], Awaitable[Line]], in_flight: int
) -> AsyncGenerator[tuple[T, Line | RoundsError], None]:
    """Yield each item with its result, in the order given, with `in_flight` running at once.

    A RoundsError of one item is yielded, not raised. Closing the iterator stops the rest.
    """
    slots = asyncio.Semaphore(in_flight)

    async def one(item: T) -> Line | RoundsError:
        async with slots:
            try:
                return await work(item)
            except RoundsError as error:
                return error

    window: deque[tuple[T, asyncio.Task[Line | RoundsError]]] = deque()
    try:
        for item in items:
            window.append((item, asyncio.create_task(one(item))))
            if len(window) >= 4 * in_flight:  # room, so that a slow head does not hold all up
                yield window[0][0], await window[0][1]
                window.popleft()
        while window:
            yield window[0][0], await window[0][1]
            window.popleft()
    finally:
        for _, task in window:
            task.cancel()
        await asyncio.gather(*(task for _, task in window), return_exceptions=True)


async def run_batch(
    items: Mapping[str, T],
    key: str,
    work: Callable[[T], Awaitable[Line]],
    out: Path,
    in_flight: int,
    on_done: Callable[[int], None] = lambda _n: None,
    made_by: Mapping[str, str] = MappingProxyType({}),
) -> BatchReport:
    """Work through items by id and append each result to `out` as soon as it is its turn.

    A line is the item's id under `key`, then `made_by` (which task, which model), then the result.
    Items whose id stands in `out` already are skipped, so an interrupted run goes on where it
    stopped. One that fails is reported by id and tried again by the next run.
    Raises BadInput when `out` holds something else or was made by another task or model,
    EngineUnavailable when the engine is gone, OSError when `out` cannot be written.
    """
    done = finished_ids(out, key, made_by)
    todo = {name: item for name, item in items.items() if name not in done}
    report = BatchReport(skipped=len(items) - len(todo))
    on_done(report.skipped)
    with _appending(out) as file:
        results = in_order(todo.items(), lambda pair: work(pair[1]), in_flight)
        async with aclosing(results):
            async for (name, _), result in results:
                if isinstance(result, EngineUnavailable):
                    raise result  # the rest would fail alike; the next run goes on from here
                if isinstance(result, RoundsError):
                    report.failed[name] = str(result)
                else:
                    line = {key: name, **made_by, **result}
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
                    file.flush()
                    report.written += 1
                on_done(1)
    return report


def _appending(out: Path) -> TextIO:
    """Open a file of results, which hold patient text: a new one is for its owner alone."""
    out.touch(mode=0o600)
    return out.open("a", encoding="utf-8")


def finished_ids(
    out: Path, key: str, made_by: Mapping[str, str] = MappingProxyType({})
) -> set[str]:
    """Return the ids that `out` holds, and cut off a last line that was not written to its end.

    Raises BadInput, and changes nothing, when a line is no result or not one of `made_by`.
    """
    if not out.exists():
        return set()
    ids: set[str] = set()
    whole = 0  # bytes up to the end of the last whole line
    with out.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            if not raw.endswith(b"\n"):
                break
            try:
                line = json.loads(raw)
                ids.add(str(line[key]))
            except (ValueError, KeyError, TypeError):
                raise BadInput(
                    f"{out} line {number} is not a result of this command. Give another --out."
                ) from None
            for what, ours in made_by.items():
                theirs = line.get(what, ours)
                if theirs != ours:
                    raise BadInput(
                        f"{out} line {number} was made with the {what} {theirs}, and this run "
                        f"is with {ours}. Give another --out."
                    )
            whole += len(raw)
    if whole < out.stat().st_size:
        with out.open("rb+") as file:
            file.truncate(whole)
    return ids
