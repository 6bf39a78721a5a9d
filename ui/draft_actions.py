"""What a person does with the sections of a draft: stop, redo, edit, save, rate."""

import asyncio
from copy import copy
from datetime import datetime
from typing import TYPE_CHECKING, Any

import gradio as gr

from serving.errors import RoundsError
from serving.jobs.draft_job import AT_REST, DraftJob, SectionState
from serving.store.records import Account
from tasks.discharge import DischargeExample, DischargeTask
from ui import draft_marks
from ui.draft_cards import Card, look
from ui.draft_sheet import Sheet, Stream
from ui.events import QUIET
from ui.guard import Updates, guarded, guarded_stream
from ui.people import account, page_id
from ui.rate import HIDDEN, save_rating

if TYPE_CHECKING:
    from serving.workbench import Workbench


class SectionActions:
    """Joins the buttons and boxes of a sheet to Drafting and the store."""

    def __init__(self, workbench: "Workbench", sheet: Sheet) -> None:
        """Set the listeners of the sheet."""
        self._bench = workbench
        self._sheet = sheet
        self._wire()

    def _wire(self) -> None:
        shield = guarded(self._sheet.problem)
        self._sheet.stop_all.click(
            shield(self._stop_all), self._sheet.draft, [self._sheet.problem], **QUIET
        )
        texts = [card.text for card in self._sheet.cards]
        heads = [card.head for card in self._sheet.cards]
        self._sheet.save.click(
            shield(self._save_all),
            [self._sheet.draft, *texts],
            [self._sheet.problem, self._sheet.saved, *heads],
            **QUIET,
        )
        self._sheet.resume.click(
            guarded_stream(self._sheet.problem)(self._resume),
            [self._sheet.draft, *texts],
            self._sheet.outputs,
            **QUIET,
        )
        for card in self._sheet.cards:
            self._wire_card(card)

    def _wire_card(self, card: Card) -> None:
        name = card.section.id
        shield = guarded(self._sheet.problem)

        async def stop(draft: Any, request: gr.Request) -> Updates:
            await self._bench.drafting.stop(await self._sheet.job(draft, request), name)
            return {}

        async def redo(draft: Any, hint: str, request: gr.Request) -> Stream:
            self._bench.require_engine()
            job = await self._sheet.job(draft, request)
            page = page_id(request)
            before = {section: copy(state) for section, state in job.sections.items()}
            self._sheet.pages.begin(page, job.id, dict(before))
            await self._bench.drafting.redo(job, name, hint)
            yield {card.hint: "", card.rating: HIDDEN}
            async for updates in self._sheet.follow(job, page):
                yield updates

        async def save(draft: Any, text: str, request: gr.Request) -> Updates:
            if not draft.get("draft"):
                return {}
            return await self._save(await self._sheet.job(draft, request), {card: text}, request)

        async def rate(draft: Any, text: str, request: gr.Request, event: gr.EventData) -> Updates:
            state = (await self._sheet.job(draft, request)).sections.get(name)
            output_id = state.output_id if state else None
            person = await account(request, self._bench, "clinician", "annotator")
            edited = await self._edited(person, output_id, name, text)
            return {card.rating: await save_rating(self._bench, person, output_id, event, edited)}

        said = [self._sheet.problem, self._sheet.saved, card.head]
        card.stop.click(shield(stop), self._sheet.draft, [self._sheet.problem], **QUIET)
        card.text.blur(shield(save), [self._sheet.draft, card.text], said, **QUIET)
        card.rating.submit(
            shield(rate),
            [self._sheet.draft, card.text],
            [self._sheet.problem, card.rating],
            **QUIET,
        )
        gr.on(
            [card.redo.click, card.hint.submit],
            guarded_stream(self._sheet.problem)(redo),
            [self._sheet.draft, card.hint],
            self._sheet.outputs,
            trigger_mode="multiple",
            **QUIET,
        )

    async def _stop_all(self, draft: Any, request: gr.Request) -> Updates:
        await self._bench.drafting.stop(await self._sheet.job(draft, request))
        return {}

    # The request comes first: Gradio fills it in by its place, and the texts are many.
    async def _save_all(self, request: gr.Request, draft: Any, *texts: str) -> Updates:
        job = await self._sheet.job(draft, request)
        typed = dict(zip(self._sheet.cards, texts, strict=True))
        return {
            self._sheet.saved: _stamp("All edits are saved"),
            **await self._save(job, typed, request),
        }

    async def _resume(self, request: gr.Request, draft: Any, *texts: str) -> Stream:
        """Bring an open page up to date after the server was away; nothing on it is lost.

        A text that the store has more of is completed; any other text that differs was typed,
        or written and not yet stored: it stays, and is saved.
        """
        yield {self._sheet.start: gr.update(interactive=True, value="Draft")}
        if not draft.get("draft"):
            return
        job = await self._sheet.job(draft, request)
        typed: dict[Card, str] = {}
        for card, text in zip(self._sheet.cards, texts, strict=True):
            state = job.sections.get(card.section.id)
            if state is None:
                continue
            updates = look(card, state)
            if not state.text.startswith(text or ""):
                typed[card] = text
                updates[card.text] = gr.update(interactive=state.status in AT_REST)
            yield updates
        saved = await self._save(job, typed, request)
        if saved:
            yield saved
        async for updates in self._sheet.follow(job, page_id(request)):
            yield updates

    async def _save(self, job: DraftJob, typed: dict[Card, str], request: gr.Request) -> Updates:
        """Keep what was typed, as new versions; sections that are being written are left alone."""
        known = self._sheet.pages.of(page_id(request)).known
        updates: Updates = {}
        for card, text in typed.items():
            name = card.section.id
            state = job.sections.get(name)
            if state is None or state.status not in AT_REST:
                continue
            kept = job.saved.get(name)
            if text == (kept.text if kept else ""):
                continue
            shown = known.get(name)
            if isinstance(shown, SectionState) and text == shown.text and text != state.text:
                continue  # nobody typed: it was changed in another window, which must stay
            # First of all: what is typed on must not be overwritten with what is saved now.
            mine = copy(state)
            mine.text, mine.edited = text, True
            known[name] = mine
            try:
                version = await self._bench.drafting.edit(job, name, text)
            except RoundsError:
                known.pop(name, None)  # not saved: the next Save must try again
                raise
            updates[card.head] = str(draft_marks.section_head(card.section.title, mine))
            updates[self._sheet.saved] = _stamp(f"Saved as version {version}")
        return updates

    async def _edited(
        self, person: Account, output_id: str | None, section: str, text: str
    ) -> str | None:
        """Return the text of a section if it is not as the model wrote it."""
        if output_id is None:
            return None
        output = await asyncio.to_thread(self._bench.store.outputs.get, output_id, person.id)
        written = DischargeTask().parse(output.text, DischargeExample("", (), section))
        return None if text.strip() == written else text


def _stamp(words: str) -> str:
    return f"{words}, {datetime.now():%H:%M:%S}"
