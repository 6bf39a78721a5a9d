"""The export of ratings: every field comes back from every format."""

import csv
import io
import json
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pyarrow.parquet
import pytest

from serving.errors import BadInput
from serving.store import Store, export
from serving.store.export import FIELDS, Format
from serving.store.records import Account, Output

FORMATS = get_args(Format)
AWKWARD = [
    None,
    "",
    " ",
    '"',
    '""',
    'She said "5 mg", twice',
    "one\ntwo",
    "one\r\ntwo\r",
    "\r",
    "\n",
    "a,b;c\td",
    "=HYPERLINK(1)",
    "+1",
    "-1",
    "@x",
    "null",
    "NA",
    "None",
    "NaN",
    "true",
    "007",
    "1e5",
    "😀 ü é 中文",
    "\u2028 \u2029 \x85 \x0b \x0c \x1c \x1f \ufeff",
    "\\N",
    "\\",
    "'",
    "# not a comment",
    "x" * 2_000_000,
]


@pytest.fixture
def rated(
    store: Store, ada: Account, bob: Account, add_output: Callable[..., Output]
) -> list[dict[str, Any]]:
    """Rate awkward texts; return what an export must give back."""
    wanted = []
    for number, awkward in enumerate(AWKWARD):
        output = add_output(
            ada,
            awkward or "",
            task="ner" if number % 2 else "discharge",
            section=awkward,
            adapter_digest="d" * 64 if number % 2 else None,
            finish_reason=None if number % 2 else "stop",
            stopped=bool(number % 2),
            params={"temperature": 1.0, "seed": None, "stop": ["\n", '"'], "awkward": awkward},
        )
        first = store.ratings.add(bob.id, output.id, number % 5 + 1, awkward, awkward)
        second = store.ratings.add(bob.id, output.id, 5, None, "")
        for rating in (first, second):
            wanted.append(
                {
                    "rating_id": rating.id,
                    "rated_at": rating.created_at,
                    "user": "bob",
                    "role": "annotator",
                    "score": rating.score,
                    "comment": rating.comment,
                    "superseded": rating is first,
                    "output_id": output.id,
                    "output_at": output.created_at,
                    "task": output.task,
                    "section": awkward,
                    "alias": "discharge",
                    "served_model": "smollm2-135m-instruct",
                    "model_digest": "a" * 64,
                    "adapter_digest": output.adapter_digest,
                    "template_hash": "b" * 64,
                    "params": dict(output.params),
                    "input_digest": "c" * 64,
                    "prompt_tokens": 700,
                    "completion_tokens": 31,
                    "finish_reason": output.finish_reason,
                    "stopped": output.stopped,
                    "output_text": awkward or "",
                    "edited_text": rating.edited_text,
                }
            )
    return wanted


@pytest.mark.parametrize("format", FORMATS)
def test_round_trip(
    store: Store, rated: list[dict[str, Any]], tmp_path: Path, format: Format
) -> None:
    target = tmp_path / f"ratings.{format}"
    assert store.ratings.export(format, target) == len(rated)
    back = list(export.read(format, target))
    assert back == rated
    for row, wanted in zip(back, rated, strict=True):
        assert list(row) == list(FIELDS)
        assert {k: type(v) for k, v in row.items()} == {k: type(v) for k, v in wanted.items()}
        assert row["rated_at"].utcoffset().total_seconds() == 0


def test_round_trip_by_other_readers(
    store: Store, rated: list[dict[str, Any]], tmp_path: Path
) -> None:
    """Readers that know nothing of Rounds get the same texts."""
    for format in FORMATS:
        store.ratings.export(format, tmp_path / format)

    lines = (tmp_path / "jsonl").read_bytes().split(b"\n")[:-1]
    for line, wanted in zip(map(json.loads, lines), rated, strict=True):
        times = {k: wanted[k].isoformat() for k in ("rated_at", "output_at")}
        assert line == {**wanted, **times}

    table = pyarrow.parquet.read_table(tmp_path / "parquet").to_pylist()
    for row, wanted in zip(table, rated, strict=True):
        assert {**row, "params": json.loads(row["params"])} == wanted

    csv.field_size_limit(10_000_000)
    with (tmp_path / "csv").open(newline="", encoding="utf-8") as source:
        for row, wanted in zip(csv.DictReader(source), rated, strict=True):
            for name, kind in FIELDS.items():
                if kind == "text":
                    assert row[name] == (wanted[name] or "")
            assert int(row["score"]) == wanted["score"]
            assert datetime.fromisoformat(row["rated_at"]) == wanted["rated_at"]
            assert row["superseded"] == str(wanted["superseded"]).lower()


@pytest.mark.postgres
def test_csv_is_what_postgres_copy_reads(
    postgres_server: str, tmp_path: Path, rated: list[dict[str, Any]], store: Store
) -> None:
    """None is told from the empty text by COPY's own rule: quoted or not."""
    import psycopg

    store.ratings.export("csv", tmp_path / "r.csv")
    columns = ", ".join(f'"{name}" text' for name in FIELDS)
    with psycopg.connect(f"host={postgres_server} user=postgres dbname=postgres") as connection:
        connection.execute(f"CREATE TEMP TABLE r ({columns})")
        with connection.cursor().copy("COPY r FROM STDIN (FORMAT csv, HEADER)") as copy:
            copy.write((tmp_path / "r.csv").read_bytes())
        rows = connection.execute("SELECT comment, edited_text, section FROM r").fetchall()
    assert rows == [(row["comment"], row["edited_text"], row["section"]) for row in rated]


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_rated_yet(store: Store, tmp_path: Path, format: Format) -> None:
    target = tmp_path / "empty"
    assert store.ratings.export(format, target) == 0
    assert list(export.read(format, target)) == []


@pytest.mark.parametrize("format", FORMATS)
def test_more_than_one_batch(tmp_path: Path, format: Format) -> None:
    row = {
        name: {"int": 7, "text": "t", "bool": True, "time": datetime(2026, 1, 1, tzinfo=UTC),
               "json": {"a": 1}}[kind]
        for name, kind in FIELDS.items()
    }  # fmt: skip
    rows = [{**row, "rating_id": number} for number in range(1234)]
    assert export.write(rows, format, tmp_path / "many") == 1234
    assert list(export.read(format, tmp_path / "many")) == rows


@pytest.mark.parametrize("format", FORMATS)
def test_to_an_open_file(
    store: Store, rated: list[dict[str, Any]], tmp_path: Path, format: Format
) -> None:
    sink = io.BytesIO()
    assert store.ratings.export(format, sink) == len(rated)
    (tmp_path / "copy").write_bytes(sink.getvalue())
    assert list(export.read(format, tmp_path / "copy")) == rated


def test_the_file_is_private(store: Store, tmp_path: Path) -> None:
    target = tmp_path / "ratings.csv"
    target.write_text("an older export")
    target.chmod(0o644)
    store.ratings.export("csv", target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert list(tmp_path.glob(".*")) == []


def test_a_failed_export_leaves_the_old_file(tmp_path: Path) -> None:
    def failing() -> Iterator[dict[str, Any]]:
        yield {"rating_id": 1}
        raise RuntimeError("the database went away")

    target = tmp_path / "ratings.jsonl"
    target.write_text("an older export")
    with pytest.raises(RuntimeError):
        export.write(failing(), "jsonl", target)
    assert [path.name for path in tmp_path.iterdir()] == ["ratings.jsonl"]
    assert target.read_text() == "an older export"


def test_bad_destination_and_format(store: Store, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be written"):
        store.ratings.export("csv", tmp_path / "no folder" / "ratings.csv")
    with pytest.raises(BadInput, match="csv, jsonl, parquet"):
        store.ratings.export("xlsx", tmp_path / "ratings.xlsx")  # type: ignore[arg-type]
