"""The tables. `migrations/` makes them; a test holds the two equal.

Rows of outputs, draft_versions, annotations, ratings and alias_assignments are never changed
or removed: triggers made by the first migration refuse it. Nothing deletes in cascade.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, MetaData, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from serving.store.records import Origin, Reason, Role, Status
from serving.store.types import ExactText, UtcDateTime


class Base(DeclarativeBase):
    """Base of the tables, with names for every constraint so that migrations can refer to them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own way to say it
        **dict.fromkeys((str, Role, Reason, Status, Origin), ExactText),
        datetime: UtcDateTime,
        dict[str, Any]: JSON,
        list[dict[str, Any]]: JSON,
        list[str]: JSON(none_as_null=True),
    }


class Account(Base):
    """A person or program, with a role."""

    __tablename__ = "accounts"
    __table_args__ = (
        CheckConstraint("role IN ('clinician', 'annotator', 'admin', 'auditor')", name="role"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[Role]
    created_at: Mapped[datetime]


class ApiToken(Base):
    """A bearer token of the API, by its digest."""

    __tablename__ = "api_tokens"

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    name: Mapped[str]
    digest: Mapped[str] = mapped_column(unique=True)  # SHA-256 hex; the token itself is not kept
    last4: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class SignInLink(Base):
    """A one-time sign-in code, by its digest."""

    __tablename__ = "sign_in_links"

    digest: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class WebSession(Base):
    """A signed-in browser, by the digest of its cookie."""

    __tablename__ = "web_sessions"

    digest: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class Admission(Base):
    """One hospital stay that somebody brought in; `content` holds its notes."""

    __tablename__ = "admissions"
    __table_args__ = (UniqueConstraint("owner", "digest"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    created_at: Mapped[datetime]
    hadm_id: Mapped[str]
    title: Mapped[str]
    synthetic: Mapped[bool]
    note_count: Mapped[int]
    digest: Mapped[str]
    content: Mapped[dict[str, Any]]


class Output(Base):
    """One model output with its provenance. Append-only."""

    __tablename__ = "outputs"

    id: Mapped[str] = mapped_column(primary_key=True)  # uuid4, hex
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    task: Mapped[str]
    section: Mapped[str | None]
    created_at: Mapped[datetime]
    alias: Mapped[str]
    served_model: Mapped[str]
    model_digest: Mapped[str]
    adapter_digest: Mapped[str | None]
    template_hash: Mapped[str]
    params: Mapped[dict[str, Any]]
    input_digest: Mapped[str]
    text: Mapped[str]
    prompt_tokens: Mapped[int]
    completion_tokens: Mapped[int]
    finish_reason: Mapped[str | None]
    stopped: Mapped[bool]


class Draft(Base):
    """A discharge summary in the making."""

    __tablename__ = "drafts"

    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    admission_id: Mapped[int] = mapped_column(ForeignKey("admissions.id"))
    note_ids: Mapped[list[str] | None]
    created_at: Mapped[datetime]


class DraftVersion(Base):
    """A draft as it stood at one moment. Append-only."""

    __tablename__ = "draft_versions"
    __table_args__ = (
        CheckConstraint(
            "reason IN ('generated', 'edited', 'redone', 'restored', 'stopped')", name="reason"
        ),
        CheckConstraint("status IN ('draft', 'signed')", name="status"),
        CheckConstraint("version >= 1", name="version"),
    )

    draft_id: Mapped[int] = mapped_column(ForeignKey("drafts.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    author: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    created_at: Mapped[datetime]
    reason: Mapped[Reason]
    status: Mapped[Status]
    sections: Mapped[dict[str, Any]]  # {section_id: {text, output_id}}


class Annotation(Base):
    """The tags of one text. Append-only."""

    __tablename__ = "annotations"
    __table_args__ = (
        CheckConstraint("origin IN ('model', 'person')", name="origin"),
        Index(None, "task", "text_digest"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    created_at: Mapped[datetime]
    task: Mapped[str]
    text_digest: Mapped[str]
    text: Mapped[str]
    spans: Mapped[list[dict[str, Any]]]
    relations: Mapped[list[dict[str, Any]]]
    origin: Mapped[Origin]
    output_id: Mapped[str | None] = mapped_column(ForeignKey("outputs.id"))


class Rating(Base):
    """One person's judgement of one output. Append-only."""

    __tablename__ = "ratings"
    __table_args__ = (
        CheckConstraint("score BETWEEN 1 AND 5", name="score"),
        Index(None, "output_id", "account_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    role: Mapped[Role]  # the rater's role when rating: it may change later
    created_at: Mapped[datetime]
    output_id: Mapped[str] = mapped_column(ForeignKey("outputs.id"))
    score: Mapped[int]
    comment: Mapped[str | None]
    edited_text: Mapped[str | None]


class Adapter(Base):
    """A registered adapter."""

    __tablename__ = "adapters"

    name: Mapped[str] = mapped_column(primary_key=True)  # alias@<12 hex of the digest>
    alias: Mapped[str]
    digest: Mapped[str] = mapped_column(index=True)
    path: Mapped[str]
    rank: Mapped[int]
    base_digest: Mapped[str]
    registered_at: Mapped[datetime]
    card: Mapped[str]


class AliasAssignment(Base):
    """Who answers for an alias since when. Append-only."""

    __tablename__ = "alias_assignments"

    id: Mapped[int] = mapped_column(primary_key=True)
    alias: Mapped[str] = mapped_column(index=True)
    served_model: Mapped[str]
    adapter_digest: Mapped[str | None]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    assigned_at: Mapped[datetime]
