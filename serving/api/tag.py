"""POST /api/tag: entities and relations of a text."""

from dataclasses import asdict

from fastapi import APIRouter, Request

from serving.api.people import ReadyBench, Tagger
from serving.api.schemas import ERRORS, TagIn, TagOut
from serving.api.streams import while_connected

router = APIRouter(prefix="/api", tags=["tag"])


@router.post("/tag", responses=ERRORS)
async def tag(body: TagIn, request: Request, bench: ReadyBench, account: Tagger) -> TagOut:
    """Find the entities (and relations, for a relation task), with offsets in characters."""
    found = await while_connected(request, bench.tagging.tag(account.id, body.task, body.text))
    return TagOut.model_validate(
        {
            "task": found.task,
            "spans": [asdict(span) for span in found.spans],
            "relations": [asdict(relation) for relation in found.relations],
            "dropped": found.dropped,
            "unread": found.unread,
            "output_id": found.output_id,
        }
    )
