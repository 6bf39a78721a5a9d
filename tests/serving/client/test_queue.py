import asyncio

import pytest

from serving.client.gate import Gate
from serving.errors import Busy


async def _hold(gate: Gate, release: asyncio.Event, places: list[int]) -> None:
    async with gate.enter(places.append):
        await release.wait()


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_each_one_in_line_is_told_its_place_and_moves_up() -> None:
    gate, places = Gate(slots=1, depth=5), [[], [], []]
    releases = [asyncio.Event() for _ in range(3)]
    tasks = [
        asyncio.create_task(_hold(gate, release, told))
        for release, told in zip(releases, places, strict=True)
    ]
    await _settle()
    assert places == [[0], [1], [1, 2]] or [p[-1] for p in places] == [0, 1, 2]
    assert (gate.running, gate.waiting) == (1, 2)
    releases[0].set()
    await _settle()
    assert [p[-1] for p in places] == [0, 0, 1]
    for release in releases:
        release.set()
    await asyncio.gather(*tasks)
    assert (gate.running, gate.waiting) == (0, 0)


async def test_a_full_line_refuses_with_a_message_instead_of_piling_up() -> None:
    gate, release = Gate(slots=1, depth=1), asyncio.Event()
    tasks = [asyncio.create_task(_hold(gate, release, [])) for _ in range(2)]
    await _settle()
    with pytest.raises(Busy, match="already waiting"):
        async with gate.enter():
            pass
    release.set()
    await asyncio.gather(*tasks)


async def test_leaving_the_line_moves_the_others_up_and_leaks_no_slot() -> None:
    gate, release, places = Gate(slots=1, depth=5), asyncio.Event(), []
    first = asyncio.create_task(_hold(gate, release, []))
    quitter = asyncio.create_task(_hold(gate, release, []))
    last = asyncio.create_task(_hold(gate, release, places))
    await _settle()
    quitter.cancel()
    await _settle()
    assert places[-1] == 1
    release.set()
    await asyncio.gather(first, last)
    assert (gate.running, gate.waiting) == (0, 0)


async def test_a_slot_handed_over_to_someone_who_leaves_is_passed_on() -> None:
    gate, release = Gate(slots=1, depth=5), asyncio.Event()
    first = asyncio.create_task(_hold(gate, release, []))
    await _settle()
    second = asyncio.create_task(_hold(gate, asyncio.Event(), []))
    third_places: list[int] = []
    third = asyncio.create_task(_hold(gate, release, third_places))
    await _settle()
    release.set()
    await asyncio.sleep(0)  # the slot is on its way to the second …
    second.cancel()  # … who leaves
    await asyncio.gather(first, third)
    assert third_places[-1] == 0
    assert (gate.running, gate.waiting) == (0, 0)


async def test_newcomers_do_not_overtake_the_line() -> None:
    gate, order = Gate(slots=1, depth=50), []

    async def job(number: int) -> None:
        async with gate.enter():
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(job(n) for n in range(20)))
    assert order == list(range(20))
