"""The left side of the Draft tab: whose notes, and which of them."""

import asyncio
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import gradio as gr
from markupsafe import Markup

from serving.errors import BadInput, EngineUnavailable, NotFound, RoundsError
from serving.intake import demo, is_discharge_summary
from serving.jobs.planning import NoteTokens
from serving.notes import Admission
from serving.store.records import Account
from ui import draft_marks
from ui.events import QUIET
from ui.guard import Updates, guarded
from ui.marks import EMPTY, aside, problem
from ui.people import account
from ui.widget import html, shown, widget

if TYPE_CHECKING:
    from serving.workbench import Workbench

_PASTE_HINT = (
    "Paste one note, or several with a line such as\n"
    "=== Nursing, 2025-03-02 14:10 ===\nor --- between them."
)


class SourcePanel:
    """Chooser, list of notes, reader. `show` fills it with an admission."""

    def __init__(self, workbench: "Workbench") -> None:
        """Lay the panel out; call within the column it belongs to."""
        self._bench = workbench
        self.problem = html("", elem_id="source-problem")
        with gr.Column(elem_classes="chooser", elem_id="chooser") as self.chooser:
            self._lay_chooser()
        with gr.Column(visible=False, elem_classes="picked") as self.picked:
            with gr.Row(elem_classes="chosen-row"):
                self.chosen = html()
                self.change = gr.Button("Change", size="sm", min_width=80, elem_id="change")
            self.notices = html()
            self.notes = widget("notes.js", _no_notes(), elem_id="notes")
            self.plan = html(elem_id="plan")
            self.reader = html(elem_id="reader")
        self.admission = gr.Textbox(visible=False)
        self.outputs = [
            self.chooser,
            self.picked,
            self.chosen,
            self.notices,
            self.notes,
            self.plan,
            self.reader,
            self.admission,
        ]
        self._wire()

    def _lay_chooser(self) -> None:
        with gr.Tabs(elem_classes="source-tabs"):
            with gr.Tab("Demo"):
                html(aside("Invented patients, to try Rounds with."))
                self.demos = widget("picks.js", shown(draft_marks.demo_picks(demo.list())))
            with gr.Tab("Paste"):
                self.paste = gr.Textbox(
                    label="Notes", lines=9, max_lines=14, placeholder=_PASTE_HINT, elem_id="paste"
                )
                self.use_paste = gr.Button("Use this text", elem_id="use-paste")
            with gr.Tab("Upload"):
                self.upload = gr.File(
                    label="A .txt note, a NOTEEVENTS .csv, a FHIR Bundle .json, or .jsonl",
                    height=120,
                    elem_id="upload",
                )
                self.found = widget("picks.js", shown(EMPTY), elem_id="found")
            with gr.Tab("Recent drafts"):
                self.recent = widget("picks.js", shown(EMPTY), elem_id="recent")

    def _wire(self) -> None:
        shield = guarded(self.problem)
        self.change.click(
            lambda: {self.chooser: gr.update(visible=True), self.picked: gr.update(visible=False)},
            outputs=[self.chooser, self.picked],
            **QUIET,
        )
        self.notes.select(
            shield(self._read_note),
            [self.admission],
            [self.reader, self.problem],
            **QUIET,
        )
        self.notes.input(
            shield(self._plan_again),
            [self.admission, self.notes],
            [self.plan, self.problem],
            trigger_mode="always_last",
            **QUIET,
        )

    # --- showing -----------------------------------------------------------------------

    async def show(
        self, person: Account, admission: Admission, warnings: Collection[str] = ()
    ) -> Updates:
        """Keep an admission for this person and show it with its usual ticks."""
        if not admission.notes:
            raise BadInput("This admission has no notes. Choose another, or add notes to it.")
        save = self._bench.store.admissions.save
        ident = await asyncio.to_thread(save, person.id, admission)
        ticked = [n.note_id for n in admission.notes if not is_discharge_summary(n)]
        return await self.fill(ident, admission, ticked, warnings)

    async def fill(
        self,
        ident: int,
        admission: Admission,
        ticked: list[str],
        warnings: Collection[str] = (),
    ) -> Updates:
        """Show an admission that is kept already."""
        counts, line = await self._measure(admission, ticked)
        return {
            self.chooser: gr.update(visible=False),
            self.picked: gr.update(visible=True),
            self.chosen: str(draft_marks.chosen(admission)),
            self.notices: str(EMPTY.join(aside(w) for w in warnings)),
            self.notes: shown(draft_marks.note_list(admission.notes, counts), ticked=ticked),
            self.plan: str(line),
            self.reader: "",
            self.admission: str(ident),
        }

    async def _measure(
        self, admission: Admission, ticked: list[str]
    ) -> tuple[list[NoteTokens], Markup]:
        """Count the tokens; without an engine the notes can be chosen and read all the same."""
        try:
            self._bench.require_engine()
            counts = await self._bench.drafting.measure(admission.notes)
            return counts, await self._plan_line(admission, ticked)
        except EngineUnavailable as error:
            return [], problem(str(error))

    async def _plan_line(self, admission: Admission, ticked: list[str]) -> Markup:
        try:
            return draft_marks.plan_line(await self._bench.drafting.plan(admission, ticked))
        except EngineUnavailable:
            raise
        except RoundsError as error:  # nothing ticked, or nothing fits: said where it shows
            return problem(str(error))

    # --- events ------------------------------------------------------------------------

    async def _plan_again(self, ident: str, notes: dict[str, Any], request: gr.Request) -> Updates:
        admission = await self.kept(ident, request)
        self._bench.require_engine()
        return {self.plan: str(await self._plan_line(admission, notes["ticked"]))}

    async def _read_note(self, ident: str, request: gr.Request, event: gr.EventData) -> Updates:
        admission = await self.kept(ident, request)
        for note in admission.notes:
            if note.note_id == event.id:
                return {self.reader: str(draft_marks.reader(note))}
        raise NotFound("This note is not in the admission any more. Choose the admission again.")

    async def kept(self, ident: str, request: gr.Request) -> Admission:
        """Return the admission that the page shows, from the store."""
        if not ident:
            raise BadInput("Choose an admission first: a demo, pasted text, or a file.")
        person = await account(request, self._bench)
        get = self._bench.store.admissions.get
        return await asyncio.to_thread(get, person.id, int(ident))


def _no_notes() -> dict[str, Any]:
    return shown(EMPTY, ticked=[])
