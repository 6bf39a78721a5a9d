"""What every form of input has in common: the result, the order of notes, their ids."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Literal

from serving.errors import BadInput
from serving.notes import Admission, Note

Form = Literal["paste", "text", "noteevents", "fhir", "jsonl", "demo"]


@dataclass(frozen=True, slots=True)
class AdmissionSummary:
    """One line of a list to pick an admission from.

    notes: how many; words: of all notes together; first, last: ISO 8601 times of the oldest
    and the newest note, empty when unknown.
    """

    hadm_id: str
    subject_id: str
    notes: int
    words: int
    first: str
    last: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Intake:
    """What was found in the input.

    summaries: every admission found, to pick from. admissions: the admissions themselves; of a
    NOTEEVENTS table with several, none (it may hold thousands: `pick` reads the chosen one).
    warnings: what was left out or changed, in words for the user, without note text.
    """

    form: Form
    admissions: tuple[Admission, ...]
    summaries: tuple[AdmissionSummary, ...]
    warnings: tuple[str, ...] = ()


def ready(form: Form, admissions: Iterable[Admission], warnings: Iterable[str] = ()) -> Intake:
    """Return the Intake of admissions that are read in full."""
    known = tuple(admissions)
    return Intake(form, known, tuple(summarize(a) for a in known), tuple(warnings))


def summarize(admission: Admission) -> AdmissionSummary:
    """Return the list line of an admission whose notes are in order of time."""
    times = [note.charted_at for note in admission.notes if note.charted_at]
    return AdmissionSummary(
        admission.hadm_id,
        admission.subject_id,
        len(admission.notes),
        sum(len(note.text.split()) for note in admission.notes),
        times[0] if times else "",
        times[-1] if times else "",
        admission.title,
    )


def tidy(admission: Admission) -> tuple[Admission, list[str]]:
    """Leave out blank notes, order the rest by time (unknown last), make note ids unique.

    Not a character of any text is changed. Returns the admission and what was done, in words.
    Raises BadInput where no note with text is left, or a text holds what is not text.
    """
    warnings = []
    kept = [note for note in admission.notes if note.text.strip()]
    if blank := len(admission.notes) - len(kept):
        warnings.append(f"{count(blank, 'note')} without any text left out.")
    if not kept:
        raise BadInput(
            "The admission has no notes with text. Give at least one note that is not empty."
        )
    if not all(is_text(note.text) for note in kept):
        raise BadInput(
            "A note holds NUL characters or half of a surrogate pair, which are not text. "
            "Export the notes again as UTF-8."
        )
    dated = [replace(note, charted_at=iso_time(note.charted_at)) for note in kept]
    told = sum(bool(note.charted_at.strip()) for note in kept)
    if odd := told - sum(bool(note.charted_at) for note in dated):
        warnings.append(
            f"{count(odd, 'note')} with a time that is not ISO 8601 (2025-03-02 14:10): "
            "taken as of unknown time and put last."
        )
    notes, renamed = _unique_ids(sorted(dated, key=lambda note: time_order(note.charted_at)))
    if renamed:
        warnings.append(f"{count(renamed, 'note')} with a missing or repeated id: ids were given.")
    return replace(admission, notes=tuple(notes)), warnings


def unique_names(names: Iterable[str]) -> list[str]:
    """Return the names with repeated ones made visible: `x`, `x-dup2`, `x-dup3`."""
    taken: dict[str, None] = {}  # keeps the order
    for name in names:
        free, copy = name, 1
        while free in taken:
            copy += 1
            free = f"{name}-dup{copy}"
        taken[free] = None
    return list(taken)


def _unique_ids(notes: list[Note]) -> tuple[list[Note], int]:
    """Return the notes with ids that differ, and how many were given a new one."""
    stated = (n.note_id if n.note_id.strip() else f"note-{i}" for i, n in enumerate(notes, 1))
    names = unique_names(stated)
    result = [replace(note, note_id=name) for note, name in zip(notes, names, strict=True)]
    return result, sum(a.note_id != b.note_id for a, b in zip(notes, result, strict=True))


def iso_time(value: str) -> str:
    """Return a date or a time as ISO 8601, or an empty string where it cannot be read."""
    value = value.strip()
    if re.fullmatch(r"\d{4}-\d\d-\d\d([ T]00:00(:00(\.0+)?)?)?", value):
        value = value[:10]  # a midnight to the second is how tables write a date without a time
        parse: type[date] = date
    else:
        parse = datetime
    try:
        return parse.fromisoformat(value).isoformat()
    except ValueError:
        return ""


def time_order(iso: str) -> tuple[bool, datetime]:
    """Return the sort key of an `iso_time`: unknown last, times without a zone read as UTC."""
    if not iso:
        return True, datetime.min.replace(tzinfo=UTC)
    when = datetime.fromisoformat(iso)
    return False, when if when.tzinfo else when.replace(tzinfo=UTC)


def is_discharge_summary(note: Note) -> bool:
    """Say whether the note is what the clinician is about to write (un-ticked by default).

    Judged by category: MIMIC-III "Discharge summary", MIMIC-IV "DS", FHIR's names that hold
    the two words.
    """
    category = " ".join(note.category.lower().split())
    return category == "ds" or "discharge summary" in category


def is_text(text: str) -> bool:
    """Say whether a string can be stored and sent: no NUL, no lone surrogate."""
    return re.search("[\0\ud800-\udfff]", text) is None


def count(number: int, thing: str) -> str:
    """Return `1 note`, `2 notes`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
