"""A bounded line in front of the engine that tells each user their place.

Without it, every request piles up inside vLLM, all of them slow down together and nobody
knows why they wait. The gate lets `slots` requests through at once and keeps at most
`depth` more in line, first come first served; the one after that is told so at once.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from serving.errors import Busy

OnPlace = Callable[[int], None]


class Gate:
    """Lets a fixed number of requests run; the rest wait in a line of known places."""

    def __init__(self, slots: int, depth: int) -> None:
        """Make a gate with `slots` requests running at once and `depth` in line."""
        self._free = slots
        self._slots = slots
        self._depth = depth
        self._line: OrderedDict[asyncio.Future[None], OnPlace | None] = OrderedDict()

    @property
    def running(self) -> int:
        """Return how many requests are past the gate."""
        return self._slots - self._free

    @property
    def waiting(self) -> int:
        """Return how many requests stand in line."""
        return len(self._line)

    @asynccontextmanager
    async def enter(self, on_place: OnPlace | None = None) -> AsyncIterator[None]:
        """Wait for a slot and hold it.

        on_place is called with 1, 2, … while in line and with 0 when the request runs.
        Raises Busy when the line is full.
        """
        await self._acquire(on_place)
        try:
            yield
        finally:
            self._release()

    async def _acquire(self, on_place: OnPlace | None) -> None:
        if self._free > 0 and not self._line:
            self._free -= 1
        else:
            await self._wait_in_line(on_place)
        if on_place:
            on_place(0)

    async def _wait_in_line(self, on_place: OnPlace | None) -> None:
        if len(self._line) >= self._depth:
            raise Busy(
                f"{len(self._line)} requests are already waiting, which is all the line holds. "
                "Nothing was lost; please try again in a minute."
            )
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line[turn] = on_place
        self._tell_places()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._release()  # the slot was handed over in the moment of leaving
            else:
                self._line.pop(turn, None)
                self._tell_places()
            raise

    def _release(self) -> None:
        while self._line:
            turn, _ = self._line.popitem(last=False)
            if not turn.done():
                turn.set_result(None)  # the slot passes on without becoming free
                self._tell_places()
                return
        self._free += 1

    def _tell_places(self) -> None:
        for place, on_place in enumerate(self._line.values(), start=1):
            if on_place:
                on_place(place)
