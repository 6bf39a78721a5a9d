"""Pasted text: one note, or several where the user put separator lines between them."""

import re

from serving.errors import BadInput
from serving.intake.common import Form, Intake, count, ready, tidy
from serving.notes import Admission, Note

# A line of exactly three hyphens (longer rules occur inside notes), or a heading between
# triple equals signs: "=== Nursing, 2025-03-02 14:10 ===" (the time may be left out).
# Lengths are bounded so that no line, however long, makes the search slow.
_SEPARATOR = re.compile(
    r"^(?:---|===[ \t]{0,8}(?P<category>[^\s=][^=\r\n]{0,80}?)"
    r"(?:,[ \t]{0,8}(?P<time>\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d)?)?))?[ \t]{0,8}===)"
    r"[ \t]{0,8}"
    r"(?:\r\n|\r|\n|\Z)",
    re.MULTILINE,
)


def read_paste(text: str) -> Intake:
    """Return the notes of a pasted text as one admission.

    Raises BadInput where there is nothing but blanks.
    """
    return split_notes(text, form="paste")


def split_notes(text: str, form: Form) -> Intake:
    """Split at separator lines (`---` or `=== Category, 2025-03-02 14:10 ===`), else not at all.

    Between the separators every character is kept. Raises BadInput where nothing but blanks
    is left.
    """
    if not text.strip():
        raise BadInput("There is no text. Paste or upload at least one note.")
    pieces = _pieces(text)
    notes = tuple(
        Note(f"{form}-{number}", category or "General", time, body)
        for number, (category, time, body) in enumerate(pieces, 1)
    )
    admission, warnings = tidy(Admission(hadm_id=form, title="Your text", notes=notes))
    if len(pieces) > 1:
        warnings.insert(0, f"Split into {count(len(pieces), 'note')} at the separator lines.")
    return ready(form, [admission], warnings)


def _pieces(text: str) -> list[tuple[str, str, str]]:
    """Return category, time and text of each note."""
    pieces = []
    category, time, start = "", "", 0
    for mark in _SEPARATOR.finditer(text):
        pieces.append((category, time, text[start : mark.start()]))
        category, time = (mark["category"] or "").strip(), mark["time"] or ""
        start = mark.end()
    pieces.append((category, time, text[start:]))
    outer = {0, len(pieces) - 1}  # blank before the first separator or after the last: no note
    return [
        piece
        for place, piece in enumerate(pieces)
        if piece[2].strip() or piece[0] or place not in outer
    ]
