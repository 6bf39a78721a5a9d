"""Admissions that people brought in. Their notes are patient text and are kept only here."""

from sqlalchemy import select
from sqlalchemy.orm import load_only

from serving.errors import BadInput, NotFound
from serving.notes import Admission
from serving.store import models
from serving.store.records import SavedAdmission
from serving.store.topic import Topic, insert_missing, record
from serving.store.types import UNSTORABLE, now


class Admissions(Topic):
    """Each belongs to the account that saved it, and to nobody else."""

    def save(self, owner: int, admission: Admission) -> int:
        """Keep the admission and return its id; saving the same content again returns the same.

        Raises NotFound for an unknown account, BadInput where a note holds half of a surrogate
        pair.
        """
        table = models.Admission
        try:
            digest = admission.digest()
        except UnicodeEncodeError:  # it quotes the notes, so it goes no further
            raise BadInput(UNSTORABLE) from None
        with self._db.writing() as session:
            if session.get(models.Account, owner) is None:
                raise NotFound("There is no such account.")
            insert_missing(
                session,
                table,
                owner=owner,
                created_at=now(),
                hadm_id=admission.hadm_id,
                title=admission.title,
                synthetic=admission.synthetic,
                note_count=len(admission.notes),
                digest=digest,
                content=admission.as_dict(),
            )
            return session.scalars(
                select(table.id).where(table.owner == owner, table.digest == digest)
            ).one()

    def get(self, owner: int, admission_id: int) -> Admission:
        """Return the admission; raise NotFound where there is none or it is another's."""
        with self._db.reading() as session:
            row = session.get(models.Admission, admission_id)
            if row is None or row.owner != owner:
                raise NotFound("There is no such admission among yours.")
            return Admission.from_dict(row.content)

    def list(self, owner: int) -> tuple[SavedAdmission, ...]:
        """Return the owner's admissions without their notes, newest first."""
        table = models.Admission
        columns = [getattr(table, name) for name in SavedAdmission.__dataclass_fields__]
        with self._db.reading() as session:
            rows = session.scalars(
                select(table)
                .where(table.owner == owner)
                .order_by(table.id.desc())
                .options(load_only(*columns, raiseload=True))
            )
            return tuple(record(SavedAdmission, row) for row in rows)
