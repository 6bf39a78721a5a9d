"""Samples made from the shipped synthetic admissions: NOTEEVENTS tables and FHIR bundles.

`python tests/serving/intake/samples.py` writes the small ones of docs/samples anew.
"""

import base64
import csv
import io
import json
from pathlib import Path
from typing import Any

from serving.intake import demo
from serving.intake.noteevents import MIMIC_III
from serving.notes import Admission, Note

FOLDER = Path(__file__).parents[3] / "docs" / "samples"
LOINC = {"Radiology": "18748-4", "Nursing": "34746-8", "Consult": "11488-4"}


def demos() -> list[Admission]:
    """Return all demo admissions."""
    return [demo.get(summary.hadm_id) for summary in demo.list()]


def row(number: int, subject: str, hadm: str, note: Note) -> list[str]:
    """Return one NOTEEVENTS row; MIMIC writes times with a blank, not a T."""
    when = note.charted_at.replace("T", " ")
    ids = [str(number), subject, hadm, when[:10], when, when]
    return [*ids, note.category, "Report", "", "", note.text]


def noteevents(rows: list[list[str]], header: tuple[str, ...] = MIMIC_III) -> bytes:
    """Return a NOTEEVENTS table as bytes."""
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([header, *rows])
    return out.getvalue().encode()


def noteevents_of(admissions: list[Admission]) -> bytes:
    """Return the table of whole admissions."""
    pairs = [(admission, note) for admission in admissions for note in admission.notes]
    return noteevents(
        [row(n, a.subject_id, a.hadm_id, note) for n, (a, note) in enumerate(pairs, 1)]
    )


def noteevents_of_size(megabytes: float) -> bytes:
    """Return a table of at least so many MB: the demo admissions over and over, with new ids."""
    rows: list[list[str]] = []
    size = 0
    for turn in range(10**6):
        for place, admission in enumerate(demos()):
            stay = str(100_000 + turn * 100 + place)
            for note in admission.notes:
                rows.append(row(len(rows) + 1, str(turn), stay, note))
                size += len(note.text.encode()) + 60
        if size > megabytes * 1e6:
            break
    return noteevents(rows)


def document(note: Note, encounter: str = "Encounter/e1", **changes: Any) -> dict[str, Any]:
    """Return a DocumentReference of one note with inline text."""
    data = base64.b64encode(note.text.encode()).decode()
    coding = [{"system": "http://loinc.org", "code": LOINC.get(note.category, "34109-9")}]
    return {
        "resourceType": "DocumentReference",
        "id": note.note_id,
        "status": "current",
        "type": {"coding": coding, "text": note.category},
        "date": f"{note.charted_at}Z",
        "content": [{"attachment": {"contentType": "text/plain; charset=utf-8", "data": data}}],
        "context": {"encounter": [{"reference": encounter}]},
        **changes,
    }


def people(admission: Admission) -> list[dict[str, Any]]:
    """Return Patient and Encounter of a demo admission (born on 1 January of the right year)."""
    facts = admission.facts
    born = int(facts["admitted_at"][:4]) - int(facts["age"])
    gender = {"M": "male", "F": "female"}[facts["sex"]]
    return [
        {
            "resourceType": "Patient",
            "id": admission.subject_id,
            "gender": gender,
            "birthDate": f"{born}-01-01",
        },
        {
            "resourceType": "Encounter",
            "id": f"enc-{admission.hadm_id}",
            "identifier": [{"system": "urn:rounds:demo", "value": admission.hadm_id}],
            "status": "finished",
            "class": {"code": "IMP"},
            "subject": {"reference": f"Patient/{admission.subject_id}"},
            "period": {"start": facts["admitted_at"], "end": facts["discharged_at"]},
        },
    ]


def bundle(*resources: dict[str, Any]) -> bytes:
    """Return a Bundle that holds the resources."""
    entries = [{"resource": resource} for resource in resources]
    whole = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    return (json.dumps(whole, indent=1, ensure_ascii=False) + "\n").encode()


def bundle_of(admissions: list[Admission]) -> bytes:
    """Return the Bundle of whole admissions."""
    resources: list[dict[str, Any]] = []
    for admission in admissions:
        resources += people(admission)
        encounter = f"Encounter/enc-{admission.hadm_id}"
        resources += [document(note, encounter) for note in admission.notes]
    return bundle(*resources)


def text_of(admission: Admission) -> bytes:
    """Return all notes as one text, with the separator lines that the page splits at."""
    parts = [
        f"=== {note.category}, {note.charted_at.replace('T', ' ')[:16]} ===\n{note.text}\n"
        for note in admission.notes
    ]
    return "".join(parts).encode()


def shipped() -> dict[str, bytes]:
    """Return the files of docs/samples by name."""
    first, second, third = demos()[:3]
    return {
        "noteevents-sample.csv": noteevents_of([first, second, third]),
        "fhir-bundle-sample.json": bundle_of([first, second]),
        "note.txt": text_of(first),
    }


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, content in shipped().items():
        (FOLDER / name).write_bytes(content)
