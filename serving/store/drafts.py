"""Drafts of discharge summaries: every change is a new version, none is ever lost."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import cast, get_args

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from serving.errors import Conflict, NotFound
from serving.store import models
from serving.store.records import Draft, DraftVersion, Reason, RecentDraft, SectionText, Status
from serving.store.topic import Topic, record, require_one_of
from serving.store.types import now

_STALE = (
    "This draft was changed in another window, so nothing was overwritten. "
    "Open its newest version and make the change there."
)


class Drafts(Topic):
    """Each draft is of one admission and is seen by its owner alone."""

    def create(self, owner: int, admission_id: int, note_ids: Sequence[str] | None = None) -> Draft:
        """Start a draft from these notes (None: all); NotFound unless the admission is theirs."""
        with self._db.writing() as session:
            admission = session.get(models.Admission, admission_id)
            if admission is None or admission.owner != owner:
                raise NotFound("There is no such admission among yours.")
            row = models.Draft(
                owner=owner,
                admission_id=admission_id,
                note_ids=None if note_ids is None else list(note_ids),
                created_at=now(),
            )
            session.add(row)
            session.flush()
            return record(Draft, row)

    def get(self, owner: int, draft_id: int) -> Draft:
        """Return the draft; raise NotFound where there is none or it is another's."""
        with self._db.reading() as session:
            return record(Draft, _owned(session, owner, draft_id))

    def add_version(
        self,
        draft_id: int,
        author: int,
        sections: Mapping[str, SectionText],
        reason: Reason,
        base_version: int,
        status: Status = "draft",
    ) -> int:
        """Save the whole draft as the version after `base_version` (0: the first) and return it.

        Raises Conflict where base_version is not the newest, NotFound where the draft or an
        output that a section names is not the author's, BadInput for an unknown reason or
        status. Of several who save at the same time exactly one succeeds.
        """
        require_one_of("reason", reason, get_args(Reason))
        require_one_of("status", status, get_args(Status))
        with self._db.writing() as session:
            _owned(session, author, draft_id)
            _require_outputs(session, author, sections)
            if _newest(session, draft_id) != base_version:
                raise Conflict(_STALE)
            row = models.DraftVersion(
                draft_id=draft_id,
                version=base_version + 1,
                author=author,
                created_at=now(),
                reason=reason,
                status=status,
                sections={name: asdict(section) for name, section in sections.items()},
            )
            session.add(row)
            try:
                session.flush()
            except IntegrityError:  # another got the number between the check and here
                raise Conflict(_STALE) from None
            return row.version

    def latest(self, owner: int, draft_id: int) -> DraftVersion | None:
        """Return the newest version, None where nothing was saved; raise NotFound as `get`."""
        versions = self.versions(owner, draft_id)
        return versions[-1] if versions else None

    def versions(self, owner: int, draft_id: int) -> tuple[DraftVersion, ...]:
        """Return all versions, oldest first; raise NotFound as `get`."""
        table = models.DraftVersion
        with self._db.reading() as session:
            _owned(session, owner, draft_id)
            rows = session.scalars(
                select(table).where(table.draft_id == draft_id).order_by(table.version)
            )
            return tuple(_version(row) for row in rows)

    def recent(self, owner: int, limit: int = 20) -> tuple[RecentDraft, ...]:
        """Return the owner's drafts, the last changed first, at most `limit`."""
        draft, version, admission = models.Draft, models.DraftVersion, models.Admission
        newest = (
            select(version.draft_id, func.max(version.version).label("number"))
            .group_by(version.draft_id)
            .subquery()
        )
        changed_at = func.coalesce(version.created_at, draft.created_at)
        number = func.coalesce(version.version, 0)  # no version saved yet
        status = func.coalesce(version.status, "draft")
        query = (
            select(draft, number, status, changed_at, admission)
            .join(admission, draft.admission_id == admission.id)
            .outerjoin(newest, newest.c.draft_id == draft.id)
            .outerjoin(
                version,
                (version.draft_id == newest.c.draft_id) & (version.version == newest.c.number),
            )
            .where(draft.owner == owner)
            .order_by(changed_at.desc(), draft.id.desc())
            .limit(max(limit, 0))
        )
        with self._db.reading() as session:
            return tuple(
                RecentDraft(
                    draft=record(Draft, row),
                    hadm_id=stay.hadm_id,
                    title=stay.title,
                    version=at,
                    status=cast(Status, stage),
                    changed_at=changed,
                )
                for row, at, stage, changed, stay in session.execute(query)
            )


def _owned(session: Session, owner: int, draft_id: int) -> models.Draft:
    row = session.get(models.Draft, draft_id)
    if row is None or row.owner != owner:
        raise NotFound("There is no such draft among yours.")
    return row


def _newest(session: Session, draft_id: int) -> int:
    table = models.DraftVersion
    found = session.scalar(select(func.max(table.version)).where(table.draft_id == draft_id))
    return found or 0


def _require_outputs(session: Session, author: int, sections: Mapping[str, SectionText]) -> None:
    """Raise NotFound unless every output that a section names is one of the author's."""
    named = {section.output_id for section in sections.values() if section.output_id is not None}
    table = models.Output
    found = session.scalars(
        select(table.id).where(table.id.in_(named), table.account_id == author)
    ).all()
    if named != set(found):
        raise NotFound("A section names a model output that is not among yours.")


def _version(row: models.DraftVersion) -> DraftVersion:
    plain = {name: getattr(row, name) for name in DraftVersion.__dataclass_fields__}
    sections = {name: SectionText(**section) for name, section in row.sections.items()}
    return DraftVersion(**{**plain, "sections": sections})
