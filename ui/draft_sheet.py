"""The sheet on the right of the Draft tab: its components, and a draft streamed into them."""

import asyncio
from collections.abc import AsyncIterator
from copy import copy
from typing import TYPE_CHECKING, Any

import gradio as gr

from serving.errors import BadInput
from serving.jobs.draft_job import AT_REST, DraftJob
from tasks.discharge import SECTIONS
from ui import draft_marks
from ui.draft_cards import Card, lay_card, look
from ui.guard import Updates
from ui.marks import empty
from ui.pages import Pages
from ui.people import account
from ui.rate import rating_of
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


class Sheet:
    """Eight cards and a line of tools. `follow` streams a draft into them."""

    def __init__(self, workbench: "Workbench", start: gr.Button) -> None:
        """Lay the sheet out; `start` is the button that rests while a draft is written."""
        self._bench = workbench
        self.pages = Pages()
        self.start = start
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

    def clear(self, page: str) -> Updates:
        """Return the updates for a page with no draft; ends what was streaming to it."""
        self.pages.begin(page, None, {})
        return {
            self.draft: draft_value(None),
            self.welcome: gr.update(visible=True),
            self.sheet: gr.update(visible=False),
            self.start: gr.update(interactive=True, value="Draft"),
        }

    async def follow(self, job: DraftJob, page: str, afresh: bool = False) -> Stream:
        """Show a draft on a page until it is at rest or the page turns to something else.

        afresh: send everything; else a page that is not known is taken to be up to date, so
        that nothing is overwritten that a person may be typing there.
        """
        now = {} if afresh else {name: copy(state) for name, state in job.sections.items()}
        view = self.pages.begin(page, None if afresh else job.id, dict(now))
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
            self.start: gr.update(interactive=rests, value="Draft" if rests else "Writing…"),
        }

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
