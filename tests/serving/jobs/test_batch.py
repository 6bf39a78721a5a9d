import asyncio
import json
from pathlib import Path

import pytest

from serving.errors import BadInput, EngineUnavailable
from serving.jobs.batch import in_order, run_batch


async def _double(number: int) -> dict[str, object]:
    await asyncio.sleep(0.001 * (5 - number % 5))  # later ones finish earlier
    return {"id": str(number), "twice": 2 * number}


def _items(count: int) -> dict[str, int]:
    return {str(n): n for n in range(count)}


def _ids(out: Path) -> list[str]:
    return [json.loads(line)["id"] for line in out.read_text().splitlines()]


async def test_results_keep_the_order_of_the_input(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    report = await run_batch(_items(50), "id", _double, out, in_flight=7)
    assert _ids(out) == [str(n) for n in range(50)]
    assert (report.written, report.skipped, report.failed) == (50, 0, {})
    assert out.stat().st_mode & 0o777 == 0o600


async def test_the_stated_number_is_in_flight_and_no_more() -> None:
    now, most = 0, 0

    async def work(_n: int) -> dict[str, object]:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.001)
        now -= 1
        return {}

    assert len([r async for r in in_order(range(40), work, 6)]) == 40
    assert most == 6


async def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    out, asked = tmp_path / "out.jsonl", []

    async def breaks(number: int) -> dict[str, object]:
        asked.append(number)
        if number == 10:
            raise EngineUnavailable("gone")
        return await _double(number)

    with pytest.raises(EngineUnavailable):
        await run_batch(_items(20), "id", breaks, out, in_flight=1)
    assert _ids(out) == [str(n) for n in range(10)]
    with out.open("a") as file:
        file.write('{"id": "10", "twi')  # killed in mid-line
    asked.clear()

    async def works(number: int) -> dict[str, object]:
        asked.append(number)
        return await _double(number)

    report = await run_batch(_items(20), "id", works, out, in_flight=3)
    assert sorted(asked) == list(range(10, 20))
    assert _ids(out) == [str(n) for n in range(20)]
    assert report.skipped == 10


async def test_one_bad_item_does_not_stop_the_rest_and_is_tried_again(tmp_path: Path) -> None:
    out, bad = tmp_path / "out.jsonl", {3}

    async def work(number: int) -> dict[str, object]:
        if number in bad:
            raise BadInput("too odd")
        return await _double(number)

    report = await run_batch(_items(6), "id", work, out, in_flight=2)
    assert report.failed == {"3": "too odd"}
    bad.clear()
    report = await run_batch(_items(6), "id", work, out, in_flight=2)
    assert (report.written, report.skipped) == (1, 5)


MADE_BY = {"task": "ner-disease", "model": "small"}


async def test_each_line_says_what_made_it_and_the_same_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    await run_batch(_items(2), "id", _double, out, in_flight=2, made_by=MADE_BY)
    first = json.loads(out.read_text().splitlines()[0])
    assert first == {"id": "0", "task": "ner-disease", "model": "small", "twice": 0}
    report = await run_batch(_items(3), "id", _double, out, in_flight=2, made_by=MADE_BY)
    assert (report.written, report.skipped) == (1, 2)


@pytest.mark.parametrize(("what", "other"), [("task", "re-ddi"), ("model", "large")])
async def test_results_of_another_task_or_model_are_refused_and_left_alone(
    tmp_path: Path, what: str, other: str
) -> None:
    out = tmp_path / "out.jsonl"
    await run_batch(_items(2), "id", _double, out, in_flight=2, made_by=MADE_BY)
    with out.open("a") as file:
        file.write('{"id": "2", "twi')  # killed in mid-line: that, too, is left as it is
    before = out.read_bytes()
    changed = MADE_BY | {what: other}
    with pytest.raises(BadInput, match=f"the {what} {MADE_BY[what]}.* {other}.*another --out"):
        await run_batch(_items(4), "id", _double, out, in_flight=2, made_by=changed)
    assert out.read_bytes() == before


async def test_a_foreign_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "notes.txt"
    out.write_text("dear diary\n")
    with pytest.raises(BadInput, match="line 1"):
        await run_batch(_items(2), "id", _double, out, in_flight=2)
    assert out.read_text() == "dear diary\n"
