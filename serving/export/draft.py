"""A draft as a document: what every form of export shows, in what order."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from serving.notice import MODEST, NOTICE

SYNTHETIC = "Synthetic demonstration data: no real patient."
NOTHING = "(nothing written)"
ITEMISED = frozenset({"medications"})  # sections whose every line is one item
_LABELS = {
    "age": "Age",
    "sex": "Sex",
    "admitted_at": "Admitted",
    "discharged_at": "Discharged",
}
# What XML 1.0 cannot hold or a terminal might obey, lone surrogates included.
_UNPRINTABLE = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_BULLET = re.compile(r"[-*•·–][ \t]+(?=\S)")


@dataclass(frozen=True, slots=True)
class DraftSection:
    """One section as it stands: id (as in tasks/discharge.py), title, text."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class ModelUsed:
    """A model that wrote some of the draft. Digests are SHA-256 in hex."""

    name: str
    model_digest: str = ""
    adapter_digest: str = ""
    template_hash: str = ""


@dataclass(frozen=True, slots=True)
class DraftDocument:
    """All that an export of a draft shows.

    facts: as of the Admission; author: who saved this version, at `saved_at` (ISO 8601);
    modest: the small default model wrote some of it; synthetic: no real patient.
    """

    hadm_id: str
    sections: tuple[DraftSection, ...]
    facts: dict[str, str] = field(default_factory=dict)
    title: str = "Discharge summary"
    status: Literal["draft", "signed"] = "draft"
    version: int = 1
    author: str = ""
    saved_at: str = ""
    signed_by: str = ""
    signed_at: str = ""
    models: tuple[ModelUsed, ...] = ()
    modest: bool = False
    synthetic: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that belong together: a paragraph, or a list with one item a line."""

    lines: tuple[str, ...]
    is_list: bool


def heading(doc: DraftDocument) -> str:
    """Return the title with the status, such as `Discharge summary (draft)`."""
    return f"{doc.title} ({doc.status})"


def notices(doc: DraftDocument) -> list[str]:
    """Return the standing notice and what else must be said before anything is read."""
    more = [(doc.modest, MODEST), (doc.synthetic, SYNTHETIC)]
    return [NOTICE, *(text for wanted, text in more if wanted)]


def admission_facts(doc: DraftDocument) -> list[tuple[str, str]]:
    """Return label and value of each fact of the admission."""
    facts = [(_LABELS.get(name, name), value) for name, value in doc.facts.items()]
    return [("Admission", doc.hadm_id), *facts]


def provenance(doc: DraftDocument) -> list[tuple[str, str]]:
    """Return label and value of who wrote what, when, with which model."""
    rows = [("Status", f"{doc.status}, version {doc.version}")]
    rows += _who("Saved", doc.author, doc.saved_at) + _who("Signed", doc.signed_by, doc.signed_at)
    for model in doc.models:
        rows.append(("Model", model.name))
        digests = {
            "Checkpoint SHA-256": model.model_digest,
            "Adapter SHA-256": model.adapter_digest,
            "Template SHA-256": model.template_hash,
        }
        rows += [(label, digest) for label, digest in digests.items() if digest]
    return rows


def blocks(section: DraftSection) -> Iterator[Block]:
    """Yield the paragraphs and lists of a section's text, without bullet marks.

    A line with a bullet is an item; in ITEMISED sections every line is one.
    """
    run: list[str] = []
    kind = False
    for raw in [*printable_lines(section.text), ""]:
        line = raw.strip()
        mark = _BULLET.match(line)
        is_item = bool(line) and (mark is not None or section.id in ITEMISED)
        ends = not line and not kind  # a blank line ends a paragraph, not a list
        if run and (ends or (line and is_item != kind)):
            yield Block(tuple(run), kind)
            run = []
        if line:
            run.append(line[mark.end() :] if mark else line)
            kind = is_item
    if run:
        yield Block(tuple(run), kind)


def printable(text: str) -> str:
    """Return the text with what cannot be shown replaced by U+FFFD; line ends, tabs stay."""
    return _UNPRINTABLE.sub("\ufffd", text)


def printable_lines(text: str) -> list[str]:
    """Return the lines of a text (any line end), printable."""
    return [printable(line) for line in text.splitlines()]


def _who(what: str, name: str, when: str) -> list[tuple[str, str]]:
    told = " ".join([*(["by", name] if name else []), *(["at", when] if when else [])])
    return [(what, told)] if told else []
