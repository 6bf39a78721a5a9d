"""The Ask tab: questions over notes, documents and the shipped collection, with citations."""

import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import gradio as gr
from markupsafe import Markup

from serving.errors import RoundsError
from serving.jobs.ask_events import AskAnswer, Delta, Final, Place
from ui import ask_marks
from ui.ask_documents import DocumentsPanel
from ui.events import QUIET
from ui.guard import Updates, guarded, guarded_stream
from ui.marks import aside, empty
from ui.people import account
from ui.rate import rating_value, save_rating
from ui.widget import html, shown, widget

if TYPE_CHECKING:
    from serving.workbench import Workbench
    from ui.draft_source import SourcePanel

Stream = AsyncIterator[Updates]
_EVERY_S = 0.1
_SCOPES = [
    ("Reference collection", "reference"),
    ("Notes ticked in Draft", "admission"),
    ("My documents", "documents"),
]
_WELCOME = empty(
    "Ask the sources",
    "Choose what to ask: the shipped reference collection, the notes ticked in Draft, or "
    "documents you add.",
    "Ask in a full sentence. Each sentence of the answer links to the passage it rests on.",
    "Where the sources do not answer, Rounds says so.",
)


class AskTab:
    """A conversation. Its turns live in the page, so that a restart of the server keeps them."""

    def __init__(self, workbench: "Workbench", source: "SourcePanel") -> None:
        """Lay the tab out; `source` tells which admission and notes are chosen in Draft."""
        self._bench = workbench
        self._source = source
        with gr.Row(elem_classes="ask-page", equal_height=False):
            with gr.Column(scale=0, min_width=330, elem_classes="ask-left"):
                self._scopes = gr.CheckboxGroup(
                    _SCOPES, value=["reference"], label="Ask these sources", elem_id="scopes"
                )
                self._documents = DocumentsPanel(workbench)
                self._anew = gr.Button("New conversation", size="sm", elem_id="new-conversation")
            with gr.Column(scale=1, elem_classes="right"):
                self._welcome = html(_WELCOME)
                self._past = widget("rate.js", _turns([]), elem_id="turns")
                self._live = html("", elem_id="live-turn")
                self._problem = html("", elem_id="ask-problem")
                with gr.Column(elem_classes="ask-box"):
                    self._question = gr.Textbox(
                        label="Question", lines=2, max_lines=6, elem_id="question", autoscroll=False
                    )
                    with gr.Row():
                        self._ask = gr.Button("Ask", variant="primary", elem_id="ask")
                        self._stop = gr.Button(
                            "Stop", interactive=False, elem_id="ask-stop", scale=0
                        )
        self._wire()

    def wire_page(self, tab: gr.Tab) -> None:
        """Keep the list of documents new."""
        self._documents.wire_page(tab)

    def _wire(self) -> None:
        buttons = [self._ask, self._stop]
        turn = [self._welcome, self._past, self._live, self._question]
        run = self._ask.click(
            guarded_stream(self._problem, self._rest)(self._run),
            [self._question, self._scopes, self._past, self._source.admission, self._source.notes],
            [self._problem, *buttons, *turn],
            trigger_mode="multiple",  # it rests while it works; rounds.js stops double clicks
            **QUIET,
        )
        self._stop.click(
            self._stopped, None, [self._problem, *buttons, *turn], cancels=[run], **QUIET
        )
        self._anew.click(self._new, None, [self._problem, *buttons, *turn], cancels=[run], **QUIET)
        self._past.submit(
            guarded(self._problem)(self._rate), self._past, [self._problem, self._past], **QUIET
        )

    async def _run(
        self,
        question: str,
        scopes: list[str],
        past: dict[str, Any],
        admission_id: str,
        notes: dict[str, Any],
        request: gr.Request,
    ) -> Stream:
        person = await account(request, self._bench, "clinician")
        self._bench.require_engine()
        asked = ask_marks.question(question)
        yield {
            self._ask: gr.update(interactive=False, value="Asking…"),
            self._stop: gr.update(interactive=True),
            self._live: str(asked + ask_marks.writing("")),
        }
        admission = None
        if "admission" in scopes:
            admission = await self._source.kept(admission_id, request)
        events = self._bench.asking.ask(
            person.id,
            question,
            [(turn["question"], turn["answer"]) for turn in past["turns"]],
            scopes=scopes,  # type: ignore[arg-type]  # checked by Asking
            admission=admission,
            note_ids=notes["ticked"] if admission else None,
        )
        text, place, told = "", 0, 0.0
        try:
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, Final):
                        yield self._done(asked, question, past, event.answer)
                        return
                    text += event.text if isinstance(event, Delta) else ""
                    place = event.place if isinstance(event, Place) else place
                    if (now := time.monotonic()) - told >= _EVERY_S:
                        told = now
                        yield {
                            self._welcome: gr.update(visible=False),
                            self._live: str(asked + ask_marks.writing(text, place)),
                        }
        except RoundsError:
            yield {self._live: str(asked + ask_marks.broken_off(text)) if text else ""}
            raise

    def _done(
        self, asked: Markup, question: str, past: dict[str, Any], answer: AskAnswer
    ) -> Updates:
        turn = {
            "question": question,
            "answer": answer.text,
            "output": answer.output_id,
            "html": str(asked + ask_marks.answer(answer, uuid4().hex[:8])),
            "rating": rating_value(answer.output_id)["html"],
        }
        return {
            self._welcome: gr.update(visible=False),
            self._past: _turns([*past["turns"], turn]),
            self._live: "",
            self._question: "",
        }

    def _rest(self) -> Updates:
        return {
            self._ask: gr.update(interactive=True, value="Ask"),
            self._stop: gr.update(interactive=False),
        }

    async def _stopped(self) -> Updates:
        """What stands there stays, until the next question takes its place."""
        said = "Stopped. What was written so far stays below your question; ask again or go on."
        return {self._problem: str(aside(said)), **self._rest()}

    async def _new(self) -> Updates:
        return {
            self._past: _turns([]),
            self._welcome: gr.update(visible=True),
            self._live: "",
            self._problem: "",
            **self._rest(),
        }

    async def _rate(
        self, past: dict[str, Any], request: gr.Request, event: gr.EventData
    ) -> Updates:
        """Save the rating of one of the answers; the others stand as they were."""
        person = await account(request, self._bench, "clinician", "annotator")
        saved = await save_rating(self._bench, person, event.output, event)
        turns = [
            turn | {"rating": saved["html"]} if turn["output"] == event.output else turn
            for turn in past["turns"]
        ]
        return {self._past: _turns(turns)}


def _turns(turns: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the conversation: each answer with its rating under it.

    It is HTML that this server made, kept by the page of the person it was made for.
    """
    parts = (f'{turn["html"]}<div class="rating">{turn["rating"]}</div>' for turn in turns)
    return shown("".join(parts), turns=turns)
