"""FHIR R4 Bundles: DocumentReference resources become the notes of admissions, by encounter."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from serving.errors import BadInput
from serving.intake.common import Intake, count, ready, tidy, unique_names
from serving.intake.fhir_bundle import Resource, read_bundle
from serving.intake.fhir_document import UnreadableError, document_text
from serving.intake.fhir_references import Bundle
from serving.notes import Admission, Note

_WITHDRAWN = ("entered-in-error", "superseded")
_SEX = {"male": "M", "female": "F"}
# Names of the document types that exports most often give by LOINC code alone.
_LOINC = {
    "18842-5": "Discharge summary",
    "34117-2": "History and physical",
    "11506-3": "Progress note",
    "11488-4": "Consult",
    "34746-8": "Nursing",
    "18748-4": "Radiology",
    "28570-0": "Procedure note",
    "11504-8": "Surgical operation note",
}


@dataclass(slots=True)
class _Stay:
    """The documents of one encounter, while they are collected."""

    hadm_id: str
    encounter: Any = None
    patient: Any = None
    subject_id: str = ""
    notes: list[Note] = field(default_factory=list)


def read_fhir(data: bytes) -> Intake:
    """Return the admissions of a Bundle, one an encounter, in the order of the bundle.

    Attachments by url are not fetched but reported by name, as are types that are not text.
    Raises BadInput where the bundle is malformed (up to five problems by path) or holds no
    document with text.
    """
    bundle = Bundle(read_bundle(data))
    left_out: dict[str, list[str]] = defaultdict(list)
    stays: dict[str, _Stay] = {}
    for document in bundle.of("DocumentReference"):
        model = document.model
        if model.status in _WITHDRAWN or model.docStatus in _WITHDRAWN:
            left_out["it was withdrawn (entered in error or superseded)"].append(document.name)
            continue
        try:
            text = document_text(document, bundle.find)
        except UnreadableError as error:
            left_out[str(error)].append(document.name)
            continue
        stay = _stay(bundle, document, stays)
        stay.notes.append(Note(model.id or "", _category(model), _charted(model), text))
    warnings = [_report(reason, names) for reason, names in left_out.items()]
    if not stays:
        raise BadInput(" ".join(["The bundle holds no document with text.", *warnings]))
    if homeless := sum(stay.encounter is None for stay in stays.values()):
        warnings.append(
            f"{count(homeless, 'admission')} put together from documents whose encounter is not "
            "in the bundle: dates of admission and discharge are unknown."
        )
    return _intake(list(stays.values()), warnings)


def _intake(stays: list[_Stay], warnings: list[str]) -> Intake:
    admissions = []
    ids = unique_names([stay.hadm_id for stay in stays])
    for stay, hadm_id in zip(stays, ids, strict=True):
        whole = Admission(hadm_id, stay.subject_id, facts=_facts(stay), notes=tuple(stay.notes))
        admission, told = tidy(whole)
        admissions.append(admission)
        warnings += told
    return ready("fhir", admissions, warnings)


def _stay(bundle: Bundle, document: Resource, stays: dict[str, _Stay]) -> _Stay:
    """Return the stay that a document belongs to, a new one where it is the first.

    Where it is not certain that two documents are of one stay, they are kept apart.
    """
    context = document.model.context
    at = bundle.follow(next(iter((context and context.encounter) or []), None), document)
    subject = (at.model and at.model.subject) or document.model.subject
    who = bundle.follow(subject, document)
    key = f"{who.key} {at.key}"
    if at.alone or (who.alone and not at.key):
        key = document.name
    if key not in stays:
        hadm_id = at.name or (f"{who.name}-documents" if who.name else "documents")
        stays[key] = _Stay(hadm_id, at.model, who.model, who.name)
    return stays[key]


def _category(document: Any) -> str:
    """Return the document type's name: its text, its display, or the name of its LOINC code."""
    for concept in [document.type, *(document.category or [])]:
        if concept is None:
            continue
        codings = concept.coding or []
        names = [
            concept.text,
            *(c.display for c in codings),
            *(_LOINC.get(c.code) for c in codings),
        ]
        if name := next(filter(None, names), None):
            return str(name)
    return ""


def _charted(document: Any) -> str:
    """Return when the document was written, or the care it tells of began; ISO 8601 or empty."""
    period = document.context.period if document.context else None
    created = [content.attachment.creation for content in document.content]
    times = [document.date, *created, period.start if period else None]
    when = next((time for time in times if isinstance(time, date)), None)  # datetime is a date
    return when.isoformat() if when else ""


def _facts(stay: _Stay) -> dict[str, str]:
    """Return age (whole years at admission), sex and dates as far as the bundle tells them."""
    period = stay.encounter.period if stay.encounter else None
    start, end = (_day(period.start), _day(period.end)) if period else (None, None)
    born = _day(stay.patient.birthDate) if stay.patient else None
    sex = stay.patient.gender if stay.patient else None
    age = (
        start.year - born.year - ((start.month, start.day) < (born.month, born.day))
        if (start and born)
        else None
    )
    facts = {
        "age": age,
        "sex": _SEX.get(sex, sex) if sex else None,
        "admitted_at": start,
        "discharged_at": end,
    }
    return {name: str(value) for name, value in facts.items() if value is not None}


def _day(value: Any) -> date | None:
    """Return the calendar day of a FHIR date or time; None where it is a month or a year."""
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) else None


def _report(reason: str, names: list[str]) -> str:
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
    return f"{count(len(names), 'document')} left out because {reason}: {shown}."
