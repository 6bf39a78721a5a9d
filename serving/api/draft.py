"""POST /api/draft: a discharge summary, section by section."""

import anyio
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from serving.api.people import Clinician, ReadyBench
from serving.api.schemas import ERRORS, DraftIn, DraftOut, SectionOut
from serving.api.streams import Events, event_stream, wants_json, while_connected
from serving.jobs.draft_job import DraftJob
from serving.workbench import Workbench

router = APIRouter(prefix="/api", tags=["draft"])


@router.post("/draft", response_model=DraftOut, responses=ERRORS)
async def draft(body: DraftIn, request: Request, bench: ReadyBench, account: Clinician) -> Response:
    """Draft the sections from the notes.

    As server-sent events: `plan` once (which notes are used), `section` whenever one changes
    (status, delta), `done` with the whole draft, or `error`. With `Accept: application/json`
    the whole draft at once. When the client goes away, the writing stops.
    """
    job = await bench.drafting.start(account.id, body.admission(), sections=body.sections)
    if not wants_json(request):
        return event_stream(_events(bench, job))
    try:
        await while_connected(request, _finish(job))
    finally:
        await _stop(bench, job)
    return JSONResponse(whole(job).model_dump())


async def _events(bench: Workbench, job: DraftJob) -> Events:
    try:
        start = whole(job)
        yield "plan", start.model_dump(exclude={"sections"})
        async for change in job.events():
            yield (
                "section",
                {
                    "section": change.section,
                    "status": change.status,
                    "delta": change.delta,
                    "replaced": change.replaced,
                    "place": change.place,
                    "output_id": change.output_id,
                    "error": change.error,
                },
            )
        yield "done", whole(job).model_dump()
    finally:
        await _stop(bench, job)


async def _finish(job: DraftJob) -> None:
    async for _ in job.watch():
        pass


async def _stop(bench: Workbench, job: DraftJob) -> None:
    if not job.at_rest:
        with anyio.CancelScope(shield=True):  # the stream is being cancelled, this must not be
            await bench.drafting.stop(job)


def whole(job: DraftJob) -> DraftOut:
    """Return the draft as it stands."""
    return DraftOut(
        draft_id=str(job.id),
        sections={
            name: SectionOut(
                status=state.status, text=state.text, output_id=state.output_id, error=state.error
            )
            for name, state in job.sections.items()
        },
        notes_used=[n.note.note_id for n in job.plan.used],
        notes_left_out=[n.note.note_id for n in job.plan.left_out],
    )
