"""Tables with MIMIC-III's NOTEEVENTS columns (or those of MIMIC-IV-Note), from memory."""

from collections.abc import Iterator
from dataclasses import dataclass

from serving.errors import BadInput, NotFound
from serving.intake.common import (
    AdmissionSummary,
    Intake,
    count,
    iso_time,
    ready,
    tidy,
    time_order,
)
from serving.intake.csv_rows import read_rows
from serving.notes import Admission, Note

MIMIC_III = (
    *("ROW_ID", "SUBJECT_ID", "HADM_ID", "CHARTDATE", "CHARTTIME", "STORETIME"),
    *("CATEGORY", "DESCRIPTION", "CGID", "ISERROR", "TEXT"),
)
MIMIC_IV = (
    *("NOTE_ID", "SUBJECT_ID", "HADM_ID", "NOTE_TYPE", "NOTE_SEQ"),
    *("CHARTTIME", "STORETIME", "TEXT"),
)

# What is read, and the columns that may hold it, in order of preference.
_SOURCES = {
    "note_id": ("ROW_ID", "NOTE_ID"),
    "subject_id": ("SUBJECT_ID",),
    "hadm_id": ("HADM_ID",),
    "time": ("CHARTTIME", "CHARTDATE"),
    "category": ("CATEGORY", "NOTE_TYPE"),
    "error": ("ISERROR",),
    "text": ("TEXT",),
}
_REQUIRED = ("hadm_id", "time", "category", "text")


@dataclass(slots=True)
class _Counts:
    """Rows that were left out, by reason."""

    errors: int = 0
    homeless: int = 0
    blank: int = 0

    def warnings(self) -> list[str]:
        """Return the reasons in words."""
        reasons = (
            (self.errors, "marked as charted in error (ISERROR)"),
            (self.homeless, "without HADM_ID"),
            (self.blank, "without any text"),
        )
        return [f"{count(number, 'row')} {why} left out." for number, why in reasons if number]


@dataclass(slots=True)
class _Tally:
    """What the list shows of one admission, while it is counted."""

    subject_id: str
    notes: int = 0
    words: int = 0
    first: str = ""
    last: str = ""

    def add(self, note: Note) -> None:
        """Count one more note."""
        self.notes += 1
        self.words += len(note.text.split())
        if when := iso_time(note.charted_at):
            self.first = min(self.first or when, when, key=time_order)
            self.last = max(self.last or when, when, key=time_order)

    def summary(self, hadm_id: str) -> AdmissionSummary:
        """Return the line of the list."""
        return AdmissionSummary(
            hadm_id, self.subject_id, self.notes, self.words, self.first, self.last
        )


def admissions(data: bytes) -> list[AdmissionSummary]:
    """Return every admission of the table, in the order of the file.

    Raises BadInput where the table is not UTF-8, lacks columns, breaks its quotes, has a row of
    the wrong length, or holds no usable note; each names the line.
    """
    return list(read_noteevents(data).summaries)


def admission(data: bytes, hadm_id: str) -> Admission:
    """Return one admission with its notes in order of time.

    Raises what `admissions` raises, and NotFound where the table does not hold the admission.
    """
    return pick_noteevents(data, hadm_id).admissions[0]


def read_noteevents(data: bytes) -> Intake:
    """Return the admissions of the table to pick from; a single one is read at once."""
    counts = _Counts()
    tallies: dict[str, _Tally] = {}
    for note, hadm_id, subject_id in _notes(data, counts):
        tallies.setdefault(hadm_id, _Tally(subject_id)).add(note)
    if not tallies:
        left_out = " ".join(counts.warnings()) or "It has a header and no rows."
        raise BadInput(f"The table holds no note that belongs to an admission. {left_out}")
    if len(tallies) == 1:
        return pick_noteevents(data, next(iter(tallies)))
    summaries = tuple(tally.summary(hadm_id) for hadm_id, tally in tallies.items())
    return Intake("noteevents", (), summaries, tuple(counts.warnings()))


def pick_noteevents(data: bytes, hadm_id: str) -> Intake:
    """Return the Intake of one admission of the table; errors as in `admission`."""
    counts = _Counts()
    found = [(note, who) for note, stay, who in _notes(data, counts) if stay == hadm_id]
    if not found:
        raise NotFound("This admission is not in the table. Pick one from its list.")
    whole = Admission(hadm_id, subject_id=found[0][1], notes=tuple(note for note, _ in found))
    tidied, warnings = tidy(whole)
    return ready("noteevents", [tidied], [*counts.warnings(), *warnings])


def _notes(data: bytes, counts: _Counts) -> Iterator[tuple[Note, str, str]]:
    """Yield note, hadm_id and subject_id of each usable row; count the others."""
    rows = read_rows(data)
    header = next(rows, (1, []))[1]
    columns = _columns(header)
    for line, row in rows:
        if not row:
            continue  # an empty line between rows
        if len(row) != len(header):
            raise BadInput(
                f"The row that starts on line {line:,} has {count(len(row), 'column')}, the "
                f"header {len(header)}. Where a text holds a comma, a quote or a line "
                "break, the whole cell must be in quotes."
            )
        # The first of the columns that holds something; MIMIC leaves CHARTTIME empty at times.
        cell = {
            name: next((row[i] for i in places if row[i].strip()), "")
            for name, places in columns.items()
        }
        hadm_id = _plain_id(cell["hadm_id"])
        if cell["error"].strip() in {"1", "1.0"}:
            counts.errors += 1
        elif not hadm_id:
            counts.homeless += 1
        elif not cell["text"]:
            counts.blank += 1
        else:
            note_id = _plain_id(cell["note_id"]) or f"line-{line}"
            note = Note(note_id, cell["category"], cell["time"], cell["text"])
            yield note, hadm_id, _plain_id(cell["subject_id"])


def _columns(header: list[str]) -> dict[str, tuple[int, ...]]:
    """Return the places in a row that may hold each source; raise BadInput where some lack."""
    names = [name.strip().upper() for name in header]
    places = {
        source: tuple(names.index(name) for name in wanted if name in names)
        for source, wanted in _SOURCES.items()
    }
    missing = [" or ".join(_SOURCES[name]) for name in _REQUIRED if not places[name]]
    if missing:
        raise BadInput(
            f"The table lacks {count(len(missing), 'column')}: {', '.join(missing)}. Expected is "
            f"MIMIC-III's NOTEEVENTS header: {', '.join(MIMIC_III)}; or MIMIC-IV-Note's: "
            f"{', '.join(MIMIC_IV)}. Upper or lower case does not matter."
        )
    return places


def _plain_id(cell: str) -> str:
    """Return an id without blanks and without the `.0` that a float column leaves."""
    return cell.strip().removesuffix(".0")
