"""Downloads, made in memory: patient text is written to no file on this machine."""

import asyncio
from collections.abc import Callable
from typing import Literal

from fastapi import APIRouter
from starlette.responses import Response

from serving.api.people import Anyone, Bench
from serving.export import DraftDocument, to_conll, to_docx, to_jsonl, to_markdown, to_text
from serving.exporting import draft_document, tag_document

router = APIRouter(prefix="/export", include_in_schema=False)

_WRITE_DRAFT: dict[str, Callable[[DraftDocument], str | bytes]] = {
    "md": to_markdown,
    "txt": to_text,
    "docx": to_docx,
}
_WRITE_TAGS = {"jsonl": to_jsonl, "conll": to_conll}
_MEDIA = {
    "md": "text/markdown; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "jsonl": "application/x-ndjson",
    "conll": "text/plain; charset=utf-8",
}


@router.get("/draft/{draft_id}.{end}")
async def draft(
    draft_id: int, end: Literal["md", "txt", "docx"], bench: Bench, account: Anyone
) -> Response:
    """Return the newest saved version of one's own draft."""
    document = await asyncio.to_thread(draft_document, bench.store, account.id, draft_id)
    return _download(_WRITE_DRAFT[end](document), f"discharge-summary-{draft_id}", end)


@router.get("/tags/{annotation_id}.{end}")
async def tags(
    annotation_id: int, end: Literal["jsonl", "conll"], bench: Bench, account: Anyone
) -> Response:
    """Return the tags of one of one's own texts."""
    document = await asyncio.to_thread(tag_document, bench.store, account.id, annotation_id)
    return _download(_WRITE_TAGS[end]([document]), f"tags-{annotation_id}", end)


def _download(content: str | bytes, name: str, end: str) -> Response:
    return Response(
        content,
        media_type=_MEDIA[end],
        headers={"Content-Disposition": f'attachment; filename="{name}.{end}"'},
    )
