"""POST /api/ratings keeps one; GET /api/ratings gives all with every field."""

import asyncio
import io

from fastapi import APIRouter
from starlette.responses import Response

from serving.api.people import Bench, Exporter, Tagger
from serving.api.schemas import ERRORS, ExportFormat, RatingIn, RatingOut

router = APIRouter(prefix="/api", tags=["ratings"])

_MEDIA = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}


@router.post("/ratings", status_code=201, responses=ERRORS)
async def rate(body: RatingIn, bench: Bench, account: Tagger) -> RatingOut:
    """Rate the usefulness of an output; rating it again adds a rating, and the newest counts."""
    kept = await asyncio.to_thread(
        bench.store.ratings.add,
        account.id,
        body.output_id,
        body.score,
        body.comment,
        body.edited_text,
    )
    return RatingOut(id=kept.id, output_id=kept.output_id, score=kept.score)


@router.get("/ratings", response_class=Response, responses=ERRORS)
async def export(bench: Bench, _account: Exporter, format: ExportFormat = "jsonl") -> Response:
    """Return every rating with its output and where that came from, as a file."""
    buffer = io.BytesIO()  # in memory: it holds patient text
    await asyncio.to_thread(bench.store.ratings.export, format, buffer)
    return Response(
        buffer.getvalue(),
        media_type=_MEDIA[format],
        headers={"Content-Disposition": f'attachment; filename="ratings.{format}"'},
    )
