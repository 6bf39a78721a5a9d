"""Ratings of model outputs: usefulness from 1 to 5, by whom, and of exactly which output."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import func, select

from serving.errors import BadInput, NotFound
from serving.store import export, models
from serving.store.export import Destination, Format
from serving.store.records import Output, Rating
from serving.store.topic import Topic, record
from serving.store.types import now


class Ratings(Topic):
    """Rating an output again adds a rating; a person's newest of an output counts."""

    def add(
        self,
        account_id: int,
        output_id: str,
        score: int,
        comment: str | None = None,
        edited_text: str | None = None,
    ) -> Rating:
        """Keep a rating.

        edited_text: the output as the rater changed it, None where it was left as generated.
        Raises BadInput unless `score` is a whole number from 1 to 5, NotFound for an unknown
        account or output.
        """
        if type(score) is not int or not 1 <= score <= 5:
            raise BadInput("The score must be a whole number from 1 to 5.")
        with self._db.writing() as session:
            account = session.get(models.Account, account_id)
            if account is None or session.get(models.Output, output_id) is None:
                raise NotFound("There is no such account or output.")
            row = models.Rating(
                account_id=account_id,
                role=account.role,
                created_at=now(),
                output_id=output_id,
                score=score,
                comment=comment,
                edited_text=edited_text,
            )
            session.add(row)
            session.flush()
            return _rating(row, account.name)

    def latest(self, account_id: int, output_id: str) -> Rating | None:
        """Return the person's rating that counts, or None."""
        mine = self._of(output_id, models.Rating.account_id == account_id)
        return mine[-1] if mine else None

    def of_output(self, output_id: str) -> tuple[Rating, ...]:
        """Return everyone's ratings of the output, oldest first, the superseded included."""
        return self._of(output_id)

    def mine(self, account_id: int, limit: int = 200) -> tuple[tuple[Rating, Output], ...]:
        """Return the person's ratings that count, each with its output, newest first."""
        rating, output = models.Rating, models.Output
        newest = (
            select(func.max(rating.id))
            .where(rating.account_id == account_id)
            .group_by(rating.output_id)
        )
        query = (
            select(rating, output, models.Account.name)
            .join(output, output.id == rating.output_id)
            .join(models.Account, models.Account.id == rating.account_id)
            .where(rating.id.in_(newest))
            .order_by(rating.id.desc())
            .limit(max(limit, 0))
        )
        with self._db.reading() as session:
            return tuple(
                (_rating(row, name), record(Output, source))
                for row, source, name in session.execute(query)
            )

    def count(self) -> int:
        """Return how many ratings are kept, the superseded included."""
        with self._db.reading() as session:
            return session.scalar(select(func.count(models.Rating.id))) or 0

    def export(self, format: Format, destination: Destination) -> int:
        """Write every rating with every field (see export.py) and return how many there were.

        Raises BadInput for an unknown format, and where the file cannot be written.
        """
        return export.write(self._rows(), format, destination)

    def _of(self, output_id: str, *conditions: Any) -> tuple[Rating, ...]:
        table = models.Rating
        query = (
            select(table, models.Account.name)
            .join(models.Account, models.Account.id == table.account_id)
            .where(table.output_id == output_id, *conditions)
            .order_by(table.id)
        )
        with self._db.reading() as session:
            return tuple(_rating(row, name) for row, name in session.execute(query))

    def _rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of the export, oldest first, without holding them all in memory."""
        rating, output, account = models.Rating, models.Output, models.Account
        newest = func.max(rating.id).over(partition_by=(rating.account_id, rating.output_id))
        query = (
            select(rating, output, account.name, (rating.id != newest).label("superseded"))
            .join(output, output.id == rating.output_id)
            .join(account, account.id == rating.account_id)
            .order_by(rating.id)
            .execution_options(yield_per=500)
        )
        with self._db.reading() as session:
            for rated, source, name, superseded in session.execute(query):
                yield {
                    "rating_id": rated.id,
                    "rated_at": rated.created_at,
                    "user": name,
                    "role": rated.role,
                    "score": rated.score,
                    "comment": rated.comment,
                    "superseded": bool(superseded),
                    "output_id": source.id,
                    "output_at": source.created_at,
                    "task": source.task,
                    "section": source.section,
                    "alias": source.alias,
                    "served_model": source.served_model,
                    "model_digest": source.model_digest,
                    "adapter_digest": source.adapter_digest,
                    "template_hash": source.template_hash,
                    "params": source.params,
                    "input_digest": source.input_digest,
                    "prompt_tokens": source.prompt_tokens,
                    "completion_tokens": source.completion_tokens,
                    "finish_reason": source.finish_reason,
                    "stopped": source.stopped,
                    "output_text": source.text,
                    "edited_text": rated.edited_text,
                }


def _rating(row: models.Rating, user: str) -> Rating:
    return Rating(
        id=row.id,
        user=user,
        role=row.role,
        created_at=row.created_at,
        output_id=row.output_id,
        score=row.score,
        comment=row.comment,
        edited_text=row.edited_text,
    )
