"""The front door of intake: any upload, recognised by what it holds, not by its name."""

import re

from serving.errors import BadInput, NotFound, TooLong
from serving.intake.common import Form, Intake
from serving.intake.fhir import read_fhir
from serving.intake.jsonl import read_jsonl
from serving.intake.noteevents import MIMIC_III, MIMIC_IV, pick_noteevents, read_noteevents
from serving.intake.text import read_text
from serving.settings import settings

_READERS = {
    "noteevents": read_noteevents,
    "fhir": read_fhir,
    "jsonl": read_jsonl,
    "text": read_text,
}
_NAMES: dict[str, Form] = {".csv": "noteevents", ".tsv": "noteevents", ".jsonl": "jsonl"}


def read(data: bytes, name: str = "") -> Intake:
    """Return the admissions of an uploaded file.

    The content decides which form it is; the name only where the content is plain text that
    its ending contradicts (a .csv with an unknown header is a table with missing columns, not
    a note). Raises TooLong over `max_upload_mb`, BadInput where the content cannot be used.
    """
    check_size(data)
    return _READERS[recognise(data, name)](data)


def pick(data: bytes, hadm_id: str, name: str = "") -> Intake:
    """Return one admission of an uploaded file; NotFound where the file does not hold it.

    Raises what `read` raises.
    """
    check_size(data)
    if recognise(data, name) == "noteevents":
        return pick_noteevents(data, hadm_id)
    whole = read(data, name)
    for admission, summary in zip(whole.admissions, whole.summaries, strict=True):
        if admission.hadm_id == hadm_id:
            return Intake(whole.form, (admission,), (summary,), whole.warnings)
    raise NotFound("This admission is not in the file. Pick one from its list.")


def recognise(data: bytes, name: str = "") -> Form:
    """Return the form of an upload: noteevents, fhir, jsonl or text."""
    head = _head(data)
    if head.startswith("{"):
        return _json_form(data, head, name)
    columns = {cell.strip(' "').upper() for cell in re.split("[,;\t]", head.split("\n", 1)[0])}
    if len(columns & {*MIMIC_III, *MIMIC_IV}) >= 2:
        return "noteevents"
    ending = re.search(r"\.[a-z]+$", name.lower())
    return _NAMES.get(ending[0], "text") if ending else "text"


def check_size(data: bytes) -> None:
    """Raise BadInput for an empty upload and TooLong for one over `max_upload_mb`."""
    if not data:
        raise BadInput("The file is empty. Choose a file with at least one note.")
    limit = settings().max_upload_mb
    if len(data) > limit * 1024 * 1024:
        raise TooLong(
            f"The file is {len(data) / 1024 / 1024:,.0f} MB; at most {limit} MB are read at once. "
            "Split it, or raise ROUNDS_MAX_UPLOAD_MB and restart."
        )


def _json_form(data: bytes, head: str, name: str) -> Form:
    """Tell a FHIR resource, the lines of `rounds draft`, and a note that opens with a brace.

    Inside a JSON text every quote is escaped, so a quoted name with bare quotes is a real key.
    """
    if '"resourceType"' in head:
        return "fhir"
    if re.search(r'"(hadm_id|notes)"\s*:', head):
        return "jsonl"
    if b'"resourceType"' in data:
        return "fhir"
    by_name: dict[str, Form] = {"jsonl": "jsonl", "json": "fhir"}
    return by_name.get(name.lower().rsplit(".", 1)[-1], "text")


_HEAD = 65_536


def _head(data: bytes) -> str:
    """Return the opening of the file as text, only to recognise it by."""
    codec = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return data[:_HEAD].decode(codec, errors="replace").lstrip()
