"""Notes and admissions: what the whole house passes around."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Note:
    """One document of a patient. `charted_at` is ISO 8601 or empty when unknown."""

    note_id: str
    category: str
    charted_at: str
    text: str


@dataclass(frozen=True, slots=True)
class Admission:
    """One hospital stay and its notes, in order of time.

    facts: structured facts as text (age, sex, dates); synthetic: invented for demonstration.
    """

    hadm_id: str
    subject_id: str = ""
    title: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    synthetic: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dict."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Admission":
        """Rebuild from `as_dict`; unknown keys are ignored."""
        return cls(
            hadm_id=str(data["hadm_id"]),
            subject_id=str(data.get("subject_id", "")),
            title=str(data.get("title", "")),
            facts={str(k): str(v) for k, v in (data.get("facts") or {}).items()},
            notes=tuple(
                Note(
                    str(n["note_id"]),
                    str(n.get("category", "")),
                    str(n.get("charted_at", "")),
                    str(n["text"]),
                )
                for n in data.get("notes", ())
            ),
            synthetic=bool(data.get("synthetic", False)),
        )

    def digest(self) -> str:
        """Return the SHA-256 of the canonical JSON form (64 hex characters)."""
        canonical = json.dumps(self.as_dict(), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()
