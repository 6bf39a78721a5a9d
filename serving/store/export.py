"""Ratings to files and back: every field, exactly as it was kept.

- jsonl: one JSON object a line; `params` is an object, times are ISO 8601, None is null.
- parquet: typed columns; `params` is its JSON text, None is null.
- csv: as Postgres' COPY writes it: None is an empty field without quotes, the empty text is
  `""` in quotes. Texts are always quoted and numbers and true/false never are; times are
  written in UTC with a final Z; `params` is its JSON text.

Cells are not changed to guard against spreadsheet formulas (a text that starts with `=` stays
one): an export must give back what was rated. Whoever opens a CSV in a spreadsheet imports it
with all columns as text, or takes parquet. `read` gives any of the three back.

A file made here holds patient text: it is readable by its owner only, and a failed export
leaves nothing behind.
"""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, Protocol, get_args

from serving.errors import BadInput
from serving.store.topic import require_one_of

if TYPE_CHECKING:
    import pyarrow as pa

Format = Literal["csv", "jsonl", "parquet"]
Destination = Path | IO[bytes]
Row = dict[str, Any]

FIELDS: dict[str, Literal["int", "text", "bool", "time", "json"]] = {
    "rating_id": "int",
    "rated_at": "time",
    "user": "text",
    "role": "text",  # when rating
    "score": "int",
    "comment": "text",
    "superseded": "bool",  # the same person rated the same output again later
    "output_id": "text",
    "output_at": "time",
    "task": "text",
    "section": "text",
    "alias": "text",
    "served_model": "text",
    "model_digest": "text",
    "adapter_digest": "text",
    "template_hash": "text",
    "params": "json",
    "input_digest": "text",
    "prompt_tokens": "int",
    "completion_tokens": "int",
    "finish_reason": "text",
    "stopped": "bool",
    "output_text": "text",  # as generated
    "edited_text": "text",  # as edited
}
_BATCH = 500  # rows in memory at once


def write(rows: Iterable[Row], format: Format, destination: Destination) -> int:
    """Write the rows to a path or an open binary file and return how many there were.

    Raises BadInput for an unknown format, and where the path cannot be written.
    """
    require_one_of("format", format, get_args(Format))
    with _opened(destination) as sink:
        return _write_jsonl(rows, sink) if format == "jsonl" else _write_arrow(rows, format, sink)


def read(format: Format, source: Path) -> Iterator[Row]:
    """Yield the rows of an export as they were written, types included."""
    require_one_of("format", format, get_args(Format))
    if format == "jsonl":
        with source.open(encoding="utf-8", newline="\n") as lines:
            for line in lines:
                yield _typed(json.loads(line))
        return
    for row in _read_arrow(format, source).to_pylist():
        yield _typed(row)


def _typed(row: Row) -> Row:
    for name, kind in FIELDS.items():
        if kind == "json" and isinstance(row[name], str):
            row[name] = json.loads(row[name])
        elif kind == "time" and isinstance(row[name], str):
            row[name] = datetime.fromisoformat(row[name])
    return row


def _write_jsonl(rows: Iterable[Row], sink: IO[bytes]) -> int:
    count = 0
    for row in rows:
        line = json.dumps(row, default=datetime.isoformat)
        sink.write(line.encode() + b"\n")
        count += 1
    return count


def _schema() -> "pa.Schema":
    import pyarrow as pa

    kinds = {
        "int": pa.int64(),
        "text": pa.string(),
        "bool": pa.bool_(),
        "time": pa.timestamp("us", tz="UTC"),
        "json": pa.string(),
    }
    return pa.schema([(name, kinds[kind]) for name, kind in FIELDS.items()])


class _BatchWriter(Protocol):
    def write_batch(self, batch: "pa.RecordBatch") -> None: ...


@contextmanager
def _arrow_writer(format: Format, sink: IO[bytes]) -> Iterator[_BatchWriter]:
    if format == "parquet":
        from pyarrow.parquet import ParquetWriter

        with ParquetWriter(sink, _schema()) as writer:
            yield writer
    else:
        from pyarrow.csv import CSVWriter, WriteOptions

        options = WriteOptions(quoting_style="needed")  # texts always, nulls and numbers never
        with CSVWriter(sink, _schema(), write_options=options) as writer:
            yield writer


def _write_arrow(rows: Iterable[Row], format: Format, sink: IO[bytes]) -> int:
    import pyarrow as pa

    count, pending = 0, iter(rows)
    with _arrow_writer(format, sink) as writer:
        while batch := [
            {**row, "params": json.dumps(row["params"], sort_keys=True)}
            for row in islice(pending, _BATCH)
        ]:
            writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=_schema()))
            count += len(batch)
    return count


def _read_arrow(format: Format, source: Path) -> "pa.Table":
    if format == "parquet":
        from pyarrow.parquet import read_table

        return read_table(source)
    from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, read_csv

    return read_csv(
        source,
        # One block: a row must not straddle two, and texts may be long.
        read_options=ReadOptions(block_size=max(source.stat().st_size + 1, 1 << 20)),
        parse_options=ParseOptions(newlines_in_values=True),
        convert_options=ConvertOptions(
            column_types=_schema(),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


@contextmanager
def _opened(destination: Destination) -> Iterator[IO[bytes]]:
    """Open the path for writing, so that it changes only once all is written."""
    if not isinstance(destination, Path):
        yield destination
        return
    unfinished = destination.with_name(f".{destination.name}.unfinished")
    try:
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as sink:
            yield sink
        unfinished.replace(destination)
    except OSError as error:
        raise BadInput(f"{destination} cannot be written ({error.strerror}).") from error
    finally:
        unfinished.unlink(missing_ok=True)
