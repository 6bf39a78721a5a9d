"""The synthetic admissions that come with Rounds."""

import json
from functools import lru_cache
from importlib.resources import files
from typing import Any

from serving.errors import NotFound
from serving.intake.common import AdmissionSummary, summarize, tidy
from serving.notes import Admission

_FACTS = ("age", "sex", "admitted_at", "discharged_at")


def list() -> tuple[AdmissionSummary, ...]:
    """Return the demo admissions to pick from, in the order of their ids."""
    return tuple(summarize(get(hadm_id)) for hadm_id in sorted(_raw()))


def get(hadm_id: str) -> Admission:
    """Return one demo admission, marked synthetic; raise NotFound where there is none."""
    data = _one(hadm_id)
    facts = {name: str(data[name]) for name in _FACTS if data.get(name) not in (None, "")}
    admission, _ = tidy(Admission.from_dict({**data, "facts": facts, "synthetic": True}))
    return admission


def reference(hadm_id: str) -> dict[str, str]:
    """Return the reference summary, section id to text; raise NotFound where there is none."""
    return {str(section): str(text) for section, text in _one(hadm_id)["reference"].items()}


def _one(hadm_id: str) -> dict[str, Any]:
    try:
        return _raw()[hadm_id]
    except KeyError:
        raise NotFound("There is no demo admission of this id.") from None


@lru_cache(maxsize=1)
def _raw() -> dict[str, dict[str, Any]]:
    folder = files("serving") / "demo" / "admissions"
    found = (
        json.loads(file.read_text("utf-8"))
        for file in folder.iterdir()
        if file.name.endswith(".json")
    )
    return {data["hadm_id"]: data for data in found}
