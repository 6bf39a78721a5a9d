"""The Tag tab: text in, names in colour, relations listed."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from serving.jobs.tagging import TagResult
from serving.store.records import Account
from tasks.catalog import all_tasks
from tasks.ner import NerTask
from tasks.relation import RelationTask
from ui import tag_marks
from ui.events import QUIET
from ui.guard import Updates, guarded, guarded_stream
from ui.marks import aside, empty
from ui.people import account
from ui.rate import rating_value, rating_widget, save_rating
from ui.widget import html

if TYPE_CHECKING:
    from serving.workbench import Workbench

Stream = AsyncIterator[Updates]
_WELCOME = empty(
    "Tag a text",
    "Paste a text and choose what to look for.",
    "A relation task finds the names first and then what links them.",
    "Each name is marked where it stands in the text; a name that is not there is not shown.",
)
_STOPPED = "Stopped. Nothing of this run was kept; the text is still there."


class TagTab:
    """One text at a time."""

    def __init__(self, workbench: "Workbench") -> None:
        """Lay the tab out; call within its gr.Tab."""
        self._bench = workbench
        with gr.Row(elem_classes="tag-page", equal_height=False):
            with gr.Column(scale=0, min_width=430, elem_classes="tag-left"):
                self._task = gr.Dropdown(
                    [(f"{t.title} ({t.id})", t.id) for t in all_tasks().values() if _tags(t)],
                    label="Look for",
                    elem_id="tag-task",
                )
                self._text = gr.Textbox(
                    label="Text", lines=14, max_lines=22, elem_id="tag-text", autoscroll=False
                )
                with gr.Row():
                    self._tag = gr.Button("Tag", variant="primary", elem_id="tag")
                    self._stop = gr.Button("Stop", interactive=False, elem_id="tag-stop", scale=0)
                self._problem = html("", elem_id="tag-problem")
            with gr.Column(scale=1, elem_classes="right"):
                self._progress = html("")
                self._exports = html("", elem_id="tag-exports")
                self._result = html(_WELCOME, elem_id="tag-result")
                self._rating = rating_widget(elem_id="rate-tag")
        self._wire()

    def _wire(self) -> None:
        buttons = [self._tag, self._stop]
        shown = [self._progress, self._exports, self._result, self._rating]
        run = self._tag.click(
            guarded_stream(self._problem, self._rest)(self._run),
            [self._task, self._text],
            [self._problem, *buttons, *shown],
            trigger_mode="multiple",  # it rests while it works; rounds.js stops double clicks
            **QUIET,
        )
        self._stop.click(
            self._stopped, None, [self._problem, *buttons, self._progress], cancels=[run], **QUIET
        )
        self._rating.submit(
            guarded(self._problem)(self._rate), self._rating, [self._problem, self._rating], **QUIET
        )

    async def _run(self, task_id: str, text: str, request: gr.Request) -> Stream:
        person = await account(request, self._bench, "clinician", "annotator")
        self._bench.require_engine()
        yield {
            self._tag: gr.update(interactive=False, value="Tagging…"),
            self._stop: gr.update(interactive=True),
            self._progress: str(tag_marks.progress(0, 0)),
        }
        done: tuple[int, int, int] = (0, 0, 0)

        def on_progress(*now: int) -> None:
            nonlocal done
            done = (now[0], now[1], now[2])

        running = asyncio.create_task(
            self._bench.tagging.tag(person.id, task_id, text, on_progress)
        )
        try:
            told = done
            while not (await asyncio.wait([running], timeout=0.2))[0]:
                if done != told:
                    told = done
                    yield {self._progress: str(tag_marks.progress(*done))}
            result = await running
        finally:
            running.cancel()  # stopped, or the page was closed: the engine need not go on
        yield await self._show(person, result)

    async def _show(self, person: Account, result: TagResult) -> Updates:
        kept = await asyncio.to_thread(
            lambda: self._bench.store.annotations.add(
                person.id,
                task=result.task,
                text=result.text,
                spans=result.spans,
                relations=result.relations,
                origin="model",
                output_id=result.output_id,
            )
        )
        return {
            self._result: str(tag_marks.tagged(result)),
            self._exports: str(tag_marks.export_links(kept.id)),
            self._rating: rating_value(result.output_id),
        }

    def _rest(self) -> Updates:
        return {
            self._tag: gr.update(interactive=True, value="Tag"),
            self._stop: gr.update(interactive=False),
            self._progress: "",
        }

    async def _stopped(self) -> Updates:
        return {self._problem: str(aside(_STOPPED)), **self._rest()}

    async def _rate(self, rating: Any, request: gr.Request, event: gr.EventData) -> Updates:
        person = await account(request, self._bench, "clinician", "annotator")
        return {self._rating: await save_rating(self._bench, person, rating["output"], event)}


def _tags(task: object) -> bool:
    return isinstance(task, NerTask | RelationTask)
