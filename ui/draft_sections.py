"""The right side of the Draft tab: the sections as they are written, edited and rated."""

import asyncio
from collections.abc import AsyncIterator
from copy import copy
from datetime import datetime
from typing import TYPE_CHECKING, Any

import gradio as gr

from serving.draft_job import AT_REST, DraftJob
from serving.errors import BadInput, Conflict
from serving.store.records import Account
from tasks.discharge import SECTIONS, DischargeExample, DischargeTask
from ui import draft_marks
from ui.draft_cards import Card, lay_card, look
from ui.events import QUIET
from ui.guard import Updates, guarded, guarded_stream
from ui.marks import empty
from ui.pages import Pages
from ui.people import account, page_id
from ui.rate import HIDDEN, rating_of, save_rating
from ui.widget import html, shown, widget

if TYPE_CHECKING:
    from serving.workbench import Workbench

Stream = AsyncIterator[Updates]
_WELCOME = empty(
    "Draft a discharge summary",
    "Choose an admission on the left. The demo patients are invented.",
    "Look through its notes and untick what should not be used.",
    "Press Draft. Eight sections are written at once: stop, redo, edit and rate each of them.",
)
_NO_DRAFT = "No draft is open. Choose an admission and press Draft, or open a recent draft."


class SectionPanel:
    """Eight cards and a line of tools. `follow` streams a draft into them."""

    def __init__(self, workbench: "Workbench", start: gr.Button) -> None:
        """Lay the panel out; `start` is the button that rests while a draft is written."""
        self._bench = workbench
        self._pages = Pages()
        self._start = start
        self.draft = widget("address.js", draft_value(None), elem_id="draft-id")
        self.problem = html("", elem_id="draft-problem")
        # Pressed by ui/static/keeper.js once the server is back.
        self.resume = gr.Button("Resume", visible="hidden", elem_id="resume")
        self.welcome = html(_WELCOME, elem_id="welcome")
        with gr.Column(visible=False, elem_classes="sections") as self.sheet:
            with gr.Row(elem_classes="tools"):
                self.exports = html("", elem_id="exports", scale=1)
                self.saved = html("", elem_id="saved")
                self.save = gr.Button("Save edits", size="sm", min_width=100, elem_id="save-edits")
                self.stop_all = gr.Button("Stop all", size="sm", min_width=90, elem_id="stop-all")
            self.cards = [lay_card(section) for section in SECTIONS]
        self.outputs: list[Any] = [
            *(self.draft, self.problem, self.welcome, self.sheet, self.exports, self.saved),
            *(self.stop_all, start),
            *(part for card in self.cards for part in card.parts),
        ]
        self._wire()

    # --- streaming ---------------------------------------------------------------------

    def clear(self, page: str) -> Updates:
        """Return the updates for a page with no draft; ends what was streaming to it."""
        self._pages.begin(page, None, {})
        return {
            self.draft: draft_value(None),
            self.welcome: gr.update(visible=True),
            self.sheet: gr.update(visible=False),
            self._start: gr.update(interactive=True, value="Draft"),
        }

    async def follow(self, job: DraftJob, page: str, afresh: bool = False) -> Stream:
        """Show a draft on a page until it is at rest or the page turns to something else.

        afresh: send everything; else a page that is not known is taken to be up to date, so
        that nothing is overwritten that a person may be typing there.
        """
        now = {} if afresh else {name: copy(state) for name, state in job.sections.items()}
        view = self._pages.begin(page, None if afresh else job.id, dict(now))
        if afresh:
            view.draft_id, view.known = job.id, {}
            yield {
                self.draft: draft_value(job.id),
                self.welcome: gr.update(visible=False),
                self.sheet: gr.update(visible=True),
                self.exports: str(draft_marks.export_links(job.id)),
                self.saved: "",
            }
        serial = view.serial
        async for _ in job.watch(0.1):
            if view.serial != serial:
                return
            updates = self._tools(job, view.known)
            for card in self.cards:
                updates |= await self._changed(card, job, view.known)
            if updates:
                yield updates

    async def _changed(self, card: Card, job: DraftJob, known: dict[str, object]) -> Updates:
        name = card.section.id
        state, before = copy(job.sections.get(name)), known.get(name)
        if state is None or state == before:
            return {}
        known[name] = state
        updates = look(card, state)
        output = state.output_id if state.status in AT_REST else None
        if known.get(f"{name} rated", "") != output:
            known[f"{name} rated"] = output
            person = await asyncio.to_thread(self._bench.store.accounts.get, job.account_id)
            updates[card.rating] = await rating_of(self._bench, person, output)
        return updates

    def _tools(self, job: DraftJob, known: dict[str, object]) -> Updates:
        if known.get("at rest") == job.at_rest:
            return {}
        known["at rest"] = rests = job.at_rest
        return {
            self.stop_all: gr.update(interactive=not rests),
            self._start: gr.update(interactive=rests, value="Draft" if rests else "Writing…"),
        }

    # --- events ------------------------------------------------------------------------

    def _wire(self) -> None:
        shield = guarded(self.problem)
        self.stop_all.click(shield(self._stop_all), self.draft, [self.problem], **QUIET)
        texts = [card.text for card in self.cards]
        heads = [card.head for card in self.cards]
        self.save.click(
            shield(self._save_all),
            [self.draft, *texts],
            [self.problem, self.saved, *heads],
            **QUIET,
        )
        self.resume.click(
            guarded_stream(self.problem)(self._resume), [self.draft, *texts], self.outputs, **QUIET
        )
        for card in self.cards:
            self._wire_card(card)

    def _wire_card(self, card: Card) -> None:
        name = card.section.id
        shield = guarded(self.problem)

        async def stop(draft: Any, request: gr.Request) -> Updates:
            await self._bench.drafting.stop(await self.job(draft, request), name)
            return {}

        async def redo(draft: Any, hint: str, request: gr.Request) -> Stream:
            self._bench.require_engine()
            job = await self.job(draft, request)
            page = page_id(request)
            before = {section: copy(state) for section, state in job.sections.items()}
            self._pages.begin(page, job.id, dict(before))
            await self._bench.drafting.redo(job, name, hint)
            yield {card.hint: "", card.rating: HIDDEN}
            async for updates in self.follow(job, page):
                yield updates

        async def save(draft: Any, text: str, request: gr.Request) -> Updates:
            if not draft.get("draft"):
                return {}
            return await self._save(await self.job(draft, request), {card: text}, request)

        async def rate(draft: Any, text: str, request: gr.Request, event: gr.EventData) -> Updates:
            state = (await self.job(draft, request)).sections.get(name)
            output_id = state.output_id if state else None
            person = await account(request, self._bench, "clinician", "annotator")
            edited = await self._edited(person, output_id, name, text)
            return {card.rating: await save_rating(self._bench, person, output_id, event, edited)}

        said = [self.problem, self.saved, card.head]
        card.stop.click(shield(stop), self.draft, [self.problem], **QUIET)
        card.text.blur(shield(save), [self.draft, card.text], said, **QUIET)
        card.rating.submit(
            shield(rate), [self.draft, card.text], [self.problem, card.rating], **QUIET
        )
        gr.on(
            [card.redo.click, card.hint.submit],
            guarded_stream(self.problem)(redo),
            [self.draft, card.hint],
            self.outputs,
            trigger_mode="multiple",
            **QUIET,
        )

    async def _stop_all(self, draft: Any, request: gr.Request) -> Updates:
        await self._bench.drafting.stop(await self.job(draft, request))
        return {}

    # The request comes first: Gradio fills it in by its place, and the texts are many.
    async def _save_all(self, request: gr.Request, draft: Any, *texts: str) -> Updates:
        job = await self.job(draft, request)
        typed = dict(zip(self.cards, texts, strict=True))
        return {self.saved: _stamp("Nothing to save"), **await self._save(job, typed, request)}

    async def _resume(self, request: gr.Request, draft: Any, *texts: str) -> Stream:
        """Bring an open page up to date after the server was away; nothing on it is lost.

        A text that the store has more of is completed; any other text that differs was typed,
        or written and not yet stored: it stays, and is saved.
        """
        yield {self._start: gr.update(interactive=True, value="Draft")}
        if not draft.get("draft"):
            return
        job = await self.job(draft, request)
        typed: dict[Card, str] = {}
        for card, text in zip(self.cards, texts, strict=True):
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
        async for updates in self.follow(job, page_id(request)):
            yield updates

    async def _save(self, job: DraftJob, typed: dict[Card, str], request: gr.Request) -> Updates:
        """Keep what was typed, as new versions; sections that are being written are left alone."""
        known = self._pages.of(page_id(request)).known
        updates: Updates = {}
        for card, text in typed.items():
            name = card.section.id
            state = job.sections.get(name)
            if state is None or state.status not in AT_REST or text == state.text:
                continue
            # First of all: what is typed on must not be overwritten with what is saved now.
            mine = copy(state)
            mine.text, mine.edited = text, True
            known[name] = mine
            try:
                version = await self._bench.drafting.edit(job, name, text)
            except Conflict:
                known.pop(name, None)
                raise
            updates[card.head] = str(draft_marks.section_head(card.section.title, mine))
            updates[self.saved] = _stamp(f"Saved as version {version}")
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

    async def job(self, draft: Any, request: gr.Request) -> DraftJob:
        """Return the draft that the page shows, live or from the store."""
        number = str(draft.get("draft") or "")
        if not number.isdigit():
            raise BadInput(_NO_DRAFT)
        person = await account(request, self._bench, "clinician")
        return await self._bench.drafting.job(person.id, int(number))


def draft_value(draft_id: int | None) -> dict[str, Any]:
    """Return the value of the component that holds the draft's id (and the address bar)."""
    return shown("", draft=str(draft_id or ""))


def _stamp(words: str) -> str:
    return f"{words}, {datetime.now():%H:%M}"
