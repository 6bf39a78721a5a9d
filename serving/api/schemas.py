"""What the API takes and gives, as OpenAPI shows it."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from serving.intake.common import tidy
from serving.notes import Admission, Note
from serving.notice import NOTICE

_FORM = ConfigDict(extra="ignore", coerce_numbers_to_str=True)


class NoteIn(BaseModel):
    """One note. `charted_at` is ISO 8601, or empty when unknown."""

    model_config = _FORM
    note_id: str = ""
    category: str = ""
    charted_at: str = ""
    text: str


class AdmissionIn(BaseModel):
    """One hospital stay and its notes."""

    model_config = _FORM
    hadm_id: str = Field(min_length=1, max_length=200)
    subject_id: str = ""
    title: str = ""
    facts: dict[str, str] = {}
    notes: list[NoteIn]

    def admission(self) -> Admission:
        """Return the admission, notes in order of time; raise BadInput where there is no text."""
        notes = tuple(Note(**note.model_dump()) for note in self.notes)
        admission, _ = tidy(
            Admission(self.hadm_id, self.subject_id, self.title, dict(self.facts), notes)
        )
        return admission


class DraftIn(AdmissionIn):
    """An admission to draft a discharge summary for, and which sections (all, if not given)."""

    sections: list[str] | None = None


class SectionOut(BaseModel):
    """One section; `output_id` is what a rating refers to."""

    status: str
    text: str
    output_id: str | None = None
    error: str = ""


class DraftOut(BaseModel):
    """A draft with what it was made from. `notes_left_out` did not fit into the model."""

    notice: str = NOTICE
    draft_id: str
    sections: dict[str, SectionOut]
    notes_used: list[str]
    notes_left_out: list[str]


class TagIn(BaseModel):
    """A text, and the task: ner-disease, ner-chemical, …, or a relation task."""

    model_config = _FORM
    text: str
    task: str = "ner-disease"


class SpanOut(BaseModel):
    """A span in characters (code points) of the text: text[start:end]."""

    start: int
    end: int
    label: str
    text: str


class RelationOut(BaseModel):
    """Two spans and the type of what holds between them."""

    head: SpanOut
    tail: SpanOut
    type: str


class TagOut(BaseModel):
    """What was found. dropped: names the model gave that the text does not hold.

    unread: parts of the text whose answer was not of the form, so that nothing is tagged there.
    """

    notice: str = NOTICE
    task: str
    spans: list[SpanOut]
    relations: list[RelationOut]
    dropped: int
    unread: int
    output_id: str | None


class RatingIn(BaseModel):
    """Usefulness from 1 to 5 of one output, a comment, and the text as you edited it."""

    output_id: str
    score: int = Field(ge=1, le=5, strict=True)
    comment: str | None = Field(default=None, max_length=10_000)
    edited_text: str | None = None


class RatingOut(BaseModel):
    """A kept rating."""

    id: int
    output_id: str
    score: int


class ModelOut(BaseModel):
    """A checkpoint or adapter that the engine serves."""

    name: str
    kind: str
    digest: str
    loaded: bool
    aliases: list[str]
    in_flight: int


class ModelsOut(BaseModel):
    """What is served, what may be loaded, and how the engine is."""

    engine: str
    reason: str
    models: list[ModelOut]
    available: list[str]


class AssignIn(BaseModel):
    """`model` answers for `alias` from now on; null: the checkpoint."""

    alias: str
    model: str | None = None


class ErrorBody(BaseModel):
    """What went wrong and what to do, in words; `kind` is for programs."""

    message: str
    kind: str
    id: str | None = None  # of the log line, when the fault is ours


class ErrorOut(BaseModel):
    """The body of every answer that is not a success."""

    error: ErrorBody


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorOut} for status in (401, 403, 413, 422, 429, 503)
}
ExportFormat = Literal["csv", "jsonl", "parquet"]
