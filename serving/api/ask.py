"""POST /api/ask: a question over notes, own documents and the shipped collection."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any, Literal

import anyio
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from serving.api.people import Clinician, ReadyBench
from serving.api.schemas import ERRORS, AdmissionIn
from serving.api.streams import Events, event_stream, wants_json, while_connected
from serving.errors import EngineUnavailable
from serving.jobs.ask_events import AskAnswer, AskEvent, Delta, Final, Passages, Place
from serving.notice import NOTICE
from serving.retrieval.collections import Passage

router = APIRouter(prefix="/api", tags=["ask"])


class TurnIn(BaseModel):
    """An earlier question and its answer."""

    question: str
    answer: str


class AskIn(BaseModel):
    """A question, what was said before, and which sources to ask.

    sources: reference (the shipped collection), documents (your own), admission (the notes given
    in `admission`, of these only `note_ids` where they are given).
    """

    question: str
    history: list[TurnIn] = []
    sources: list[Literal["reference", "documents", "admission"]] = Field(default=["reference"])
    admission: AdmissionIn | None = None
    note_ids: list[str] | None = None


class PassageOut(BaseModel):
    """A passage as it stands in its document; [n] in the answer is the n-th passage."""

    title: str
    heading: str
    text: str
    document_id: str
    start: int
    end: int
    score: float
    note_id: str | None
    page: int | None


class SentenceOut(BaseModel):
    """A sentence of the answer, text[start:end], and whether a passage was found to back it."""

    start: int
    end: int
    cited: list[int]
    supported: bool


class QuoteOut(BaseModel):
    """A place in a passage: passages[passage - 1].text[start:end]."""

    passage: int
    start: int
    end: int
    text: str


class AskOut(BaseModel):
    """The answer. refused: the sources do not answer, and `reason` says how that was seen.

    nearest: the sentences of the passages closest to the question, found without the model.
    """

    notice: str = NOTICE
    text: str
    refused: bool
    reason: str
    remarks: list[str]
    sentences: list[SentenceOut]
    passages: list[PassageOut]
    nearest: list[QuoteOut]
    output_id: str | None


@router.post("/ask", response_model=AskOut, responses=ERRORS)
async def ask(body: AskIn, request: Request, bench: ReadyBench, account: Clinician) -> Response:
    """Answer from the sources, or say that they do not answer.

    As server-sent events: `passages`, `place` (in line), `delta`, then `done` with the checked
    answer, or `error`. With `Accept: application/json` the answer at once.
    """
    admission = body.admission.admission() if body.admission else None
    history = [(turn.question, turn.answer) for turn in body.history]
    events = bench.asking.ask(
        account.id,
        body.question,
        history,
        scopes=body.sources,
        admission=admission,
        note_ids=body.note_ids,
    )
    # The first event is awaited here, so that a bad question gets its own status.
    first = await while_connected(request, _first(events))
    if not wants_json(request):
        return event_stream(_events(first, events))
    answer = await while_connected(request, _last(first, events))
    return JSONResponse(_answer(answer).model_dump())


async def _first(events: AsyncGenerator[AskEvent, None]) -> AskEvent:
    return await anext(events)


async def _events(first: AskEvent, rest: AsyncGenerator[AskEvent, None]) -> Events:
    try:
        yield _plain(first)
        async for event in rest:
            yield _plain(event)
    finally:
        with anyio.CancelScope(shield=True):  # closing it stops the engine
            await rest.aclose()


async def _last(first: AskEvent, rest: AsyncGenerator[AskEvent, None]) -> AskAnswer:
    async with aclosing(rest):
        events = [first, *[event async for event in rest]]
    last = events[-1]
    if not isinstance(last, Final):
        raise EngineUnavailable("The answer broke off. Ask again.")
    return last.answer


def _plain(event: AskEvent) -> tuple[str, dict[str, Any]]:
    match event:
        case Passages():
            return "passages", {
                "passages": [p.model_dump() for p in _passages(event.passages)],
                "left_out": len(event.left_out),
            }
        case Place():
            return "place", {"place": event.place}
        case Delta():
            return "delta", {"text": event.text}
        case Final():
            return "done", _answer(event.answer).model_dump()


def _answer(answer: AskAnswer) -> AskOut:
    return AskOut(
        text=answer.text,
        refused=answer.refused,
        reason=answer.reason,
        remarks=list(answer.remarks),
        sentences=[
            SentenceOut(start=s.start, end=s.end, cited=list(s.cited), supported=s.supported)
            for s in answer.sentences
        ],
        passages=_passages(answer.passages),
        nearest=[
            QuoteOut(
                passage=q.passage,
                start=q.start,
                end=q.end,
                text=answer.passages[q.passage - 1].text[q.start : q.end],
            )
            for q in answer.nearest
        ],
        output_id=answer.output_id,
    )


def _passages(passages: Iterable[Passage]) -> list[PassageOut]:
    fields = PassageOut.model_fields
    return [PassageOut(**{name: getattr(p, name) for name in fields}) for p in passages]
