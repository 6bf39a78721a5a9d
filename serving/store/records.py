"""What the store hands to its callers: frozen records, apart from the database.

Fields that may hold patient text stay out of `repr`, so that a record in a log line or a
traceback gives nothing away. All times are in UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from tasks.base import Relation, Span

Role = Literal["clinician", "annotator", "admin", "auditor"]
Reason = Literal["generated", "edited", "redone", "restored", "stopped"]
Status = Literal["draft", "signed"]
Origin = Literal["model", "person"]


@dataclass(frozen=True, slots=True)
class Account:
    """A person, or a program that acts for one."""

    id: int
    name: str
    role: Role
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Token:
    """An API token as it may be shown: the token itself is not kept, only its digest."""

    id: int
    account_id: int
    name: str
    last4: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class SavedAdmission:
    """A line in the list of an owner's admissions; `get` brings the notes."""

    id: int
    owner: int
    created_at: datetime
    hadm_id: str
    title: str = field(repr=False)
    synthetic: bool
    note_count: int
    digest: str


@dataclass(frozen=True, slots=True)
class Output:
    """One model output with all it takes to know where it came from.

    section: of a discharge summary, None for other tasks. model_digest: the checkpoint's;
    adapter_digest: None where no adapter was applied. input_digest: SHA-256 of the prompt.
    stopped: a person stopped it, so the text is only a part.
    """

    id: str
    account_id: int
    task: str
    section: str | None
    created_at: datetime
    alias: str
    served_model: str
    model_digest: str
    adapter_digest: str | None
    template_hash: str
    params: Mapping[str, Any] = field(repr=False)
    input_digest: str
    text: str = field(repr=False)
    prompt_tokens: int
    completion_tokens: int
    finish_reason: str | None
    stopped: bool


@dataclass(frozen=True, slots=True)
class SectionText:
    """One section of a draft; output_id names the model output it came from, if any."""

    text: str = field(repr=False)
    output_id: str | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A discharge summary in the making; its text is in the versions.

    note_ids: the notes that it is drawn from, None for all of the admission.
    """

    id: int
    owner: int
    admission_id: int
    note_ids: list[str] | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class DraftVersion:
    """The whole draft as it stood at one moment. Versions count from 1."""

    draft_id: int
    version: int
    author: int
    created_at: datetime
    reason: Reason
    status: Status
    sections: Mapping[str, SectionText]


@dataclass(frozen=True, slots=True)
class RecentDraft:
    """A line in the list of recent drafts. version 0: nothing has been saved in it yet."""

    draft: Draft
    hadm_id: str
    title: str = field(repr=False)
    version: int
    status: Status
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Annotation:
    """The tags of one text as a model made or a person corrected them."""

    id: int
    account_id: int
    created_at: datetime
    task: str
    text_digest: str
    text: str = field(repr=False)
    spans: tuple[Span, ...] = field(repr=False)
    relations: tuple[Relation, ...] = field(repr=False)
    origin: Origin
    output_id: str | None


@dataclass(frozen=True, slots=True)
class Rating:
    """What one person thought of one output: usefulness from 1 to 5.

    user, role: the rater's account name, and role when rating. edited_text: the output as the
    rater changed it, None where it was left as generated.
    """

    id: int
    user: str
    role: Role
    created_at: datetime
    output_id: str
    score: int
    comment: str | None = field(repr=False)
    edited_text: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Adapter:
    """A registered adapter.

    name: `alias@<12 hex of its digest>`. base_digest: the checkpoint it was trained on, the
    only one it may be loaded over. path: its folder. card: Markdown.
    """

    name: str
    alias: str
    digest: str
    path: str
    rank: int
    base_digest: str
    registered_at: datetime
    card: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Assignment:
    """From `assigned_at` on, `alias` is answered by `served_model`."""

    id: int
    alias: str
    served_model: str
    adapter_digest: str | None
    account_id: int
    assigned_at: datetime
