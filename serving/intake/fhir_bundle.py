"""A FHIR R4 Bundle, parsed and validated: the resources that intake reads, and where they stand.

Only what is read is validated (R4B, which is R4 for these resources), each resource by itself,
so that an unusual resource elsewhere in an export does not stand in the way of the notes.
"""

import json
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from serving.errors import BadInput
from serving.intake.problems import in_words, path
from serving.intake.text import decode

KINDS = ("DocumentReference", "Encounter", "Patient", "Binary")
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Resource:
    """One validated resource. raw: as in the file; model: its fhir.resources object."""

    kind: str
    where: Path
    url: str
    raw: dict[str, Any]
    model: Any

    @property
    def name(self) -> str:
        """Return `DocumentReference/7`, or the place in the bundle where there is no id."""
        return f"{self.kind}/{self.model.id}" if self.model.id else path(self.where)


def read_bundle(data: bytes) -> list[Resource]:
    """Return the resources of the kinds in KINDS, in the order of the bundle.

    Raises BadInput where it is not JSON, not a Bundle, or malformed: then with up to five
    problems by path, without any value of the file.
    """
    bundle = _parse(data)
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle":
        raise BadInput(
            "This JSON is not a FHIR Bundle: resourceType must be Bundle. Export the documents "
            "as an R4 Bundle that holds DocumentReference resources."
        )
    entries = bundle.get("entry") or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise _malformed([{"loc": ("entry",), "type": "list_type"}])
    found: list[Resource] = []
    problems = _problems_of_envelope(bundle, entries)
    for place, entry in enumerate(entries):
        raw, where = entry.get("resource"), ("entry", place, "resource")
        if raw is None:
            continue
        kind = raw.get("resourceType") if isinstance(raw, dict) else None
        if not isinstance(kind, str):
            problems.append({"loc": (*where, "resourceType"), "type": "missing"})
        elif kind in KINDS:
            model, wrong = validated(raw, where)
            problems += wrong
            found.append(Resource(kind, where, str(entry.get("fullUrl") or ""), raw, model))
    if problems:
        raise _malformed(problems)
    return found


def validated(raw: dict[str, Any], where: Path) -> tuple[Any, list[dict[str, Any]]]:
    """Return the resource's model (None where wrong) and its problems with their full path."""
    from fhir.resources.R4B import binary, documentreference, encounter, patient

    models: dict[str, Any] = {
        "DocumentReference": documentreference.DocumentReference,
        "Encounter": encounter.Encounter,
        "Patient": patient.Patient,
        "Binary": binary.Binary,
    }
    contained = raw.get("contained")
    if isinstance(contained, list):  # kinds that are not read are not validated here either
        kept = [r for r in contained if not isinstance(r, dict) or r.get("resourceType") in KINDS]
        raw = {**raw, "contained": kept} if kept else {k: raw[k] for k in raw if k != "contained"}
    return _check(models[raw["resourceType"]], raw, where)


def _check(form: Any, data: dict[str, Any], where: Path = ()) -> tuple[Any, list[dict[str, Any]]]:
    """Return the validated model (None where wrong) and the problems, their paths under `where`."""
    try:
        return form.model_validate(data), []
    except ValidationError as error:
        return None, [{"loc": (*where, *e["loc"]), "type": e["type"]} for e in error.errors()]
    except (TypeError, AttributeError, LookupError, ValueError):
        # fhir.resources' own checks stumble over a url or a contained resource of a wrong type.
        return None, [{"loc": where, "type": "value_error"}]


def _problems_of_envelope(
    bundle: dict[str, Any], entries: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Validate the Bundle without the resources in it."""
    from fhir.resources.R4B.bundle import Bundle

    bare = [{key: entry[key] for key in entry if key != "resource"} for entry in entries]
    return _check(Bundle, {**bundle, "entry": bare} if bare else bundle)[1]


def _malformed(problems: list[dict[str, Any]]) -> BadInput:
    return BadInput(
        f"The FHIR bundle is malformed: {'; '.join(in_words(problems))}. "
        "Check it against FHIR R4 and export it again."
    )


def _parse(data: bytes) -> Any:
    text = decode(data)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise BadInput(
            f"The file is not valid JSON: it breaks at line {error.lineno:,}, column "
            f"{error.colno:,}. It may be cut off; export it again."
        ) from None
    except (ValueError, RecursionError):
        raise BadInput("The file is JSON of a form that no FHIR bundle has.") from None
