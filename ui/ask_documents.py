"""The documents that a person adds to ask about: add, list, delete."""

import asyncio
from pathlib import PurePath
from typing import TYPE_CHECKING

import gradio as gr

from serving import uploads
from serving.errors import RoundsError
from serving.retrieval.documents import read_document
from ui import ask_marks
from ui.events import QUIET
from ui.guard import Updates, guarded
from ui.marks import EMPTY, aside, joined, problem
from ui.people import account
from ui.widget import html, shown, widget

if TYPE_CHECKING:
    from serving.workbench import Workbench


class DocumentsPanel:
    """A drop zone and the list of what is there."""

    def __init__(self, workbench: "Workbench") -> None:
        """Lay the panel out; call within the column it belongs to."""
        self._bench = workbench
        with gr.Accordion("My documents", open=False, elem_id="my-documents"):
            self._upload = gr.File(
                label="Add .txt, .md, .html or .pdf",
                file_count="multiple",
                height=110,
                elem_id="add-documents",
            )
            self._said = html("", elem_id="documents-said")
            self._list = widget("picks.js", shown(EMPTY), elem_id="documents")
        shield = guarded(self._said)
        shows = [self._said, self._list]
        self._upload.upload(
            shield(self._add),
            self._upload,
            [*shows, self._upload],
            **QUIET | {"show_progress": "minimal", "show_progress_on": self._upload},
        )
        self._list.select(shield(self._delete), None, shows, **QUIET)

    def wire_page(self, tab: gr.Tab) -> None:
        """Show the list whenever the tab is opened."""
        tab.select(guarded(self._said)(self._refresh), None, [self._said, self._list], **QUIET)

    async def _add(self, paths: list[str], request: gr.Request) -> Updates:
        """Add what can be read; say of each other file why it was not."""
        person = await account(request, self._bench, "clinician")
        said = []
        for path in paths:
            name = PurePath(path).name
            try:
                data = await asyncio.to_thread(uploads.take, path)
                document = await asyncio.to_thread(read_document, name, data)
                await asyncio.to_thread(self._bench.index.add_document, person.id, document)
            except RoundsError as error:
                said.append(problem(f"{name}: {error}"))
            else:
                said += [aside(f"{name}: {remark}") for remark in document.remarks]
        return {self._upload: None, self._said: str(joined(said)), **await self._listed(person.id)}

    async def _delete(self, request: gr.Request, event: gr.EventData) -> Updates:
        person = await account(request, self._bench, "clinician")
        await asyncio.to_thread(self._bench.index.delete_document, person.id, str(event.id))
        return await self._listed(person.id)

    async def _refresh(self, request: gr.Request) -> Updates:
        return await self._listed((await account(request, self._bench)).id)

    async def _listed(self, account_id: int) -> Updates:
        entries = await asyncio.to_thread(self._bench.index.documents, account_id)
        return {self._list: shown(ask_marks.documents(entries))}
