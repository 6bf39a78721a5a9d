"""The state of one draft while it is being written, watched by any number of readers."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal

from serving.jobs.planning import Plan
from serving.notes import Admission
from serving.store.records import SectionText

Status = Literal["waiting", "queued", "writing", "done", "stopped", "failed"]
AT_REST: frozenset[Status] = frozenset({"done", "stopped", "failed"})


@dataclass(slots=True)
class SectionState:
    """One section: its text so far, and where it stands.

    place: position in the engine's line while queued. output_id: the stored output the text
    came from. edited: a person changed the text after the model wrote it.
    """

    status: Status = "waiting"
    text: str = ""
    place: int | None = None
    output_id: str | None = None
    error: str = ""
    edited: bool = False


@dataclass(frozen=True, slots=True)
class SectionEvent:
    """A change of one section since the reader last looked.

    delta is the text added since then; when `replaced`, text stands for all that was before.
    """

    section: str
    status: Status
    delta: str
    text: str
    replaced: bool
    place: int | None
    output_id: str | None
    error: str


@dataclass(eq=False)
class DraftJob:
    """A draft being written.

    version: the newest version in the store (0 before any); saved: its sections. note_ids: the
    notes that it is drawn from, None for all of the admission.
    """

    id: int
    account_id: int
    admission_id: int
    admission: Admission
    plan: Plan
    sections: dict[str, SectionState]
    note_ids: list[str] | None = None
    version: int = 0
    saved: dict[str, SectionText] = field(default_factory=dict)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    saving: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    turns: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    _changes: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def at_rest(self) -> bool:
        """Tell whether no section is waiting, queued or being written."""
        return all(state.status in AT_REST for state in self.sections.values())

    @property
    def settled(self) -> bool:
        """Tell whether nothing would be lost if this object were dropped."""
        kept = {name: saved.text for name, saved in self.saved.items()}
        return self.at_rest and all(s.text == kept.get(n, "") for n, s in self.sections.items())

    def touch(self) -> None:
        """Tell the readers that something changed."""
        self._changes += 1
        self._changed.set()
        self._changed = asyncio.Event()  # those who wait hold the old one; it stays set

    async def watch(self, every: float = 0.1) -> AsyncIterator[None]:
        """Yield at once, then after changes, until all sections are at rest.

        At most one turn in `every` seconds: a browser that redraws more often falls behind.
        """
        seen = -1
        while True:
            while self._changes == seen and not self.at_rest:
                await self._changed.wait()
            seen, finished = self._changes, self.at_rest
            yield
            if finished:
                return
            await asyncio.sleep(every)

    async def events(self, every: float = 0.05) -> AsyncIterator[SectionEvent]:
        """Yield what changed, section by section, until all are at rest."""
        known: dict[str, tuple[Status, str, int | None]] = {}
        async for _ in self.watch(every):
            for section, state in self.sections.items():
                now = (state.status, state.text, state.place)
                before = known.get(section, (None, "", None))
                if now == before:
                    continue
                known[section] = now
                grown = state.text.startswith(before[1])
                yield SectionEvent(
                    section=section,
                    status=state.status,
                    delta=state.text[len(before[1]) :] if grown else state.text,
                    text=state.text,
                    replaced=not grown,
                    place=state.place,
                    output_id=state.output_id,
                    error=state.error,
                )
