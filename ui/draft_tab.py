"""The Draft tab: an admission on the left, its discharge summary on the right."""

import asyncio
from typing import TYPE_CHECKING, Any

import gradio as gr

from serving import intake, uploads
from serving.errors import NotFound
from serving.intake import demo
from ui import draft_marks
from ui.draft_actions import SectionActions
from ui.draft_sheet import Sheet, Stream
from ui.draft_source import SourcePanel
from ui.events import QUIET
from ui.guard import Updates, guarded, guarded_stream
from ui.marks import EMPTY
from ui.people import account, page_id
from ui.uploaded import Uploaded
from ui.widget import shown

if TYPE_CHECKING:
    from serving.workbench import Workbench

_FROM_ADDRESS = """
() => [{ html: "", draft: new URL(window.location.href).searchParams.get("draft") || "" }]
"""


class DraftTab:
    """Lays both sides out and joins them. `source` tells which admission and notes are chosen."""

    def __init__(self, workbench: "Workbench") -> None:
        """Lay the tab out; call within its gr.Tab."""
        self._bench = workbench
        self._uploaded = Uploaded()
        with gr.Row(elem_classes="draft-page", equal_height=False):
            with gr.Column(scale=0, min_width=430, elem_classes="left"):
                self.source = SourcePanel(workbench)
                self._start = gr.Button("Draft", variant="primary", elem_id="start-draft")
            with gr.Column(scale=1, elem_classes="right"):
                self._sections = Sheet(workbench, self._start)
                SectionActions(workbench, self._sections)
        self._wire()

    def wire_page(self, page: gr.Blocks, tab: gr.Tab) -> None:
        """Open the draft that the address names when the page opens; keep the recent list new."""
        source, sections = self.source, self._sections
        page.load(
            guarded_stream(sections.problem)(self._open_address),
            sections.draft,
            [*source.outputs, *sections.outputs],
            js=_FROM_ADDRESS,
            **QUIET,
        )
        gr.on(
            [page.load, tab.select, source.change.click],
            guarded(source.problem)(self._list_recent),
            None,
            [source.problem, source.recent],
            **QUIET,
        )

    def _wire(self) -> None:
        source, sections = self.source, self._sections
        both = [source.problem, *source.outputs, *sections.outputs]
        shield = guarded(source.problem)
        busy = QUIET | {"show_progress": "minimal", "show_progress_on": source.demos}
        source.demos.select(shield(self._choose_demo), None, both, **busy)
        source.use_paste.click(
            shield(self._choose_paste),
            source.paste,
            both,
            **busy | {"show_progress_on": source.use_paste},
        )
        source.upload.upload(
            shield(self._take_upload),
            source.upload,
            [*both, source.upload, source.found],
            **busy | {"show_progress_on": source.upload},
        )
        source.found.select(
            shield(self._choose_found), None, both, **busy | {"show_progress_on": source.found}
        )
        source.recent.select(guarded_stream(source.problem)(self._open_recent), None, both, **QUIET)
        self._start.click(
            guarded_stream(sections.problem, self._startable)(self._draft),
            [source.admission, source.notes],
            [source.problem, *sections.outputs],
            trigger_mode="multiple",  # it rests while it works; rounds.js stops double clicks
            **QUIET,
        )

    # --- choosing ----------------------------------------------------------------------

    async def _choose_demo(self, request: gr.Request, event: gr.EventData) -> Updates:
        return await self._choose(request, demo.get(event.id))

    async def _choose_paste(self, text: str, request: gr.Request) -> Updates:
        taken = await asyncio.to_thread(intake.read_paste, text)
        return await self._choose(request, taken.admissions[0], taken.warnings)

    async def _take_upload(self, path: str, request: gr.Request) -> Updates:
        source = self.source
        person = await account(request, self._bench, "clinician")
        data = await asyncio.to_thread(uploads.take, path)
        name = path.rsplit("/", 1)[-1]
        taken = await asyncio.to_thread(intake.read, data, name)
        fresh: Updates = {source.upload: None, source.found: shown(EMPTY)}
        if len(taken.summaries) == 1 and taken.admissions:
            return fresh | await self._choose(request, taken.admissions[0], taken.warnings)
        self._uploaded.keep(person.id, name, data)
        return fresh | {source.found: shown(draft_marks.found(taken))}

    async def _choose_found(self, request: gr.Request, event: gr.EventData) -> Updates:
        person = await account(request, self._bench, "clinician")
        name, data = self._uploaded.get(person.id)
        taken = await asyncio.to_thread(intake.pick, data, event.id, name)
        return await self._choose(request, taken.admissions[0], taken.warnings)

    async def _choose(self, request: gr.Request, admission: Any, warnings: Any = ()) -> Updates:
        """Show an admission; a draft of another patient must not stay open beside it."""
        person = await account(request, self._bench, "clinician")
        updates = await self.source.show(person, admission, warnings)
        return updates | self._sections.clear(page_id(request))

    # --- drafting ----------------------------------------------------------------------

    async def _draft(self, ident: str, notes: Any, request: gr.Request) -> Stream:
        yield {self._start: gr.update(interactive=False, value="Reading the notes…")}
        admission = await self.source.kept(ident, request)
        person = await account(request, self._bench, "clinician")
        self._bench.require_engine()
        job = await self._bench.drafting.start(person.id, admission, notes["ticked"])
        async for updates in self._sections.follow(job, page_id(request), afresh=True):
            yield updates

    def _startable(self) -> Updates:
        return {self._start: gr.update(interactive=True, value="Draft")}

    async def _open_recent(self, request: gr.Request, event: gr.EventData) -> Stream:
        async for updates in self._open(str(event.id), request):
            yield updates

    async def _open_address(self, draft: Any, request: gr.Request) -> Stream:
        if not draft.get("draft"):
            return
        try:
            async for updates in self._open(draft["draft"], request):
                yield updates
        except NotFound:
            yield self._sections.clear(page_id(request))
            raise

    async def _open(self, ident: str, request: gr.Request) -> Stream:
        """Show a draft and the admission it is of."""
        job = await self._sections.job({"draft": ident}, request)
        used = job.note_ids
        if used is None:
            used = [note.note_id for note in job.admission.notes]
        yield await self.source.fill(job.admission_id, job.admission, used)
        async for updates in self._sections.follow(job, page_id(request), afresh=True):
            yield updates

    async def _list_recent(self, request: gr.Request) -> Updates:
        person = await account(request, self._bench)
        drafts = await asyncio.to_thread(self._bench.store.drafts.recent, person.id)
        return {self.source.recent: shown(draft_marks.recent_picks(drafts))}
