"""Tags of texts, as models made them and people corrected them: training data in the making."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import get_args

from sqlalchemy import select

from serving.errors import BadInput, NotFound
from serving.store import models
from serving.store.records import Annotation, Origin
from serving.store.topic import Topic, require_name, require_one_of
from serving.store.types import UNSTORABLE, now, storable
from tasks.base import Relation, Span


class Annotations(Topic):
    """A correction of a correction is a new annotation; the newest counts."""

    def add(
        self,
        account_id: int,
        *,
        task: str,
        text: str,
        spans: Sequence[Span],
        relations: Sequence[Relation] = (),
        origin: Origin = "person",
        output_id: str | None = None,
    ) -> Annotation:
        """Keep the tags of a text.

        Raises BadInput where a span does not hold the text it points at, or a relation joins
        spans that are not among `spans`; NotFound for an unknown account or output.
        """
        require_name("task", task)
        require_one_of("origin", origin, get_args(Origin))
        _check_tags(text, spans, relations)
        with self._db.writing() as session:
            if session.get(models.Account, account_id) is None:
                raise NotFound("There is no such account.")
            if output_id is not None and session.get(models.Output, output_id) is None:
                raise NotFound("There is no such output.")
            row = models.Annotation(
                account_id=account_id,
                created_at=now(),
                task=task,
                text_digest=text_digest(text),
                text=text,
                spans=[asdict(span) for span in spans],
                relations=[asdict(relation) for relation in relations],
                origin=origin,
                output_id=output_id,
            )
            session.add(row)
            session.flush()
            return _annotation(row)

    def get(self, account_id: int, annotation_id: int) -> Annotation:
        """Return this person's annotation; raise NotFound where there is no such one of theirs."""
        with self._db.reading() as session:
            row = session.get(models.Annotation, annotation_id)
            if row is None or row.account_id != account_id:
                raise NotFound("There is no such annotation among yours.")
            return _annotation(row)

    def of_text(self, account_id: int, task: str, text: str) -> tuple[Annotation, ...]:
        """Return this person's annotations of exactly this text for this task, oldest first."""
        table = models.Annotation
        with self._db.reading() as session:
            rows = session.scalars(
                select(table)
                .where(table.task == task, table.text_digest == text_digest(text))
                .where(table.account_id == account_id)
                .order_by(table.id)
            )
            return tuple(_annotation(row) for row in rows)

    def of_task(self, task: str) -> tuple[Annotation, ...]:
        """Return everyone's annotations for the task, oldest first."""
        table = models.Annotation
        with self._db.reading() as session:
            rows = session.scalars(select(table).where(table.task == task).order_by(table.id))
            return tuple(_annotation(row) for row in rows)


def text_digest(text: str) -> str:
    """Return the SHA-256 of the text in UTF-8 (64 hex characters)."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _check_tags(text: str, spans: Sequence[Span], relations: Sequence[Relation]) -> None:
    for span in spans:
        if not 0 <= span.start < span.end <= len(text) or text[span.start : span.end] != span.text:
            raise BadInput(
                f"The span at {span.start}-{span.end} does not hold the text it points at."
            )
    known = set(spans)
    if any(relation.head not in known or relation.tail not in known for relation in relations):
        raise BadInput("A relation joins a span that is not among the spans given.")
    if not all(map(storable, (text, *(span.label for span in spans)))):
        raise BadInput(UNSTORABLE)


def _annotation(row: models.Annotation) -> Annotation:
    plain = {name: getattr(row, name) for name in Annotation.__dataclass_fields__}
    relations = tuple(
        Relation(Span(**link["head"]), Span(**link["tail"]), link["type"]) for link in row.relations
    )
    spans = tuple(Span(**span) for span in row.spans)
    return Annotation(**{**plain, "spans": spans, "relations": relations})
