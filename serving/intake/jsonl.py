"""The line forms of the command line: one JSON object a line.

`draft`: {"hadm_id", "notes": [{"note_id", "category", "charted_at", "text"}]};
`tag`: {"id", "text"} or {"id", "tokens": [...]}. Errors name the line (from 1), never its text.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from serving.errors import BadInput
from serving.intake.common import Intake, is_text, ready, tidy
from serving.intake.problems import in_words
from serving.intake.text import decode
from serving.notes import Admission

_FORM = ConfigDict(coerce_numbers_to_str=True, extra="ignore")


class _NoteLine(BaseModel):
    model_config = _FORM
    note_id: str = ""
    category: str = ""
    charted_at: str | None = None
    text: str


class _AdmissionLine(BaseModel):
    model_config = _FORM
    hadm_id: str = Field(min_length=1)
    subject_id: str = ""
    title: str = ""
    facts: dict[str, str] = {}
    notes: list[_NoteLine]
    synthetic: bool = False


class _TagLine(BaseModel):
    model_config = _FORM
    id: str = Field(min_length=1)
    text: str | None = None
    tokens: list[str] | None = None


_Line = TypeVar("_Line", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class TagInput:
    """One text to tag: `text`, or `tokens` (then `text` is empty and the caller joins them)."""

    id: str
    text: str
    tokens: tuple[str, ...] | None = None


def read_jsonl(data: bytes) -> Intake:
    """Return all admissions of a JSON Lines file.

    Raises BadInput with the line number, also where two lines share a hadm_id.
    """
    warnings: list[str] = []
    found = list(read_admissions(decode(data).split("\n"), warnings))
    if not found:
        raise BadInput("The file holds no admission. Give one JSON object a line.")
    return ready("jsonl", found, warnings)


def read_admissions(lines: Iterable[str], warnings: list[str] | None = None) -> Iterator[Admission]:
    """Yield the admission of each line that is not blank; `warnings` collects what was changed.

    Raises BadInput with the line number.
    """
    seen: dict[str, int] = {}
    for number, line in _numbered(lines):
        form = _validated(_AdmissionLine, line, number)
        _once(seen, form.hadm_id, "hadm_id", number)
        try:
            admission, told = tidy(Admission.from_dict(_without_none(form)))
        except BadInput as error:
            raise BadInput(f"Line {number:,}: {error}") from None
        if warnings is not None:
            warnings.extend(f"Line {number:,}: {text}" for text in told)
        yield admission


def read_tag_inputs(lines: Iterable[str]) -> Iterator[TagInput]:
    """Yield the input of each line that is not blank; raise BadInput with the line number."""
    seen: dict[str, int] = {}
    for number, line in _numbered(lines):
        form = _validated(_TagLine, line, number)
        _once(seen, form.id, "id", number)
        if (form.text is None) == (form.tokens is None):
            raise BadInput(f'Line {number:,}: give either "text" or "tokens".')
        texts = [form.text] if form.text is not None else form.tokens or []
        if not any(text.strip() for text in texts):
            raise BadInput(f"Line {number:,}: there is no text to tag.")
        if form.tokens is not None and not all(token.strip() for token in form.tokens):
            raise BadInput(f"Line {number:,}: a token is empty or blank.")
        if not all(map(is_text, texts)):
            raise BadInput(f"Line {number:,}: holds NUL or half of a surrogate pair.")
        tokens = None if form.tokens is None else tuple(form.tokens)
        yield TagInput(form.id, form.text or "", tokens)


def _numbered(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield number (from 1) and text of each line that is not blank."""
    for number, line in enumerate(lines, 1):
        if line.strip("\ufeff \t\r\n"):
            yield number, line.removeprefix("\ufeff")


def _validated(form: type[_Line], line: str, number: int) -> _Line:
    """Return the line as `form`; raise BadInput naming the line and what is wrong with it."""
    try:
        return form.model_validate_json(line)
    except ValidationError as error:
        raise BadInput(f"Line {number:,}: {'; '.join(in_words(error.errors()))}.") from None


def _once(seen: dict[str, int], name: str, field: str, number: int) -> None:
    """Raise BadInput where an earlier line has the same id: results are matched by it."""
    if name in seen:
        raise BadInput(f"Line {number:,}: the {field} of line {seen[name]:,} is used again.")
    seen[name] = number


def _without_none(form: BaseModel) -> dict[str, object]:
    data: dict[str, object] = form.model_dump(exclude_none=True)
    return data
