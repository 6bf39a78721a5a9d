"""Tagged text as files: JSON lines after BigBIO's kb schema, and CoNLL/BIO."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from serving.errors import BadInput
from serving.notice import NOTICE
from tasks.base import Relation, Span
from tasks.bio import to_bio
from tasks.text import sentences, tokens


@dataclass(frozen=True, slots=True)
class TagDocument:
    """A text with the spans and relations found in it, and what found them.

    Offsets count Python characters of `text`, exactly as it was given. Digests are SHA-256
    in hex; `made_at` is ISO 8601.
    """

    id: str
    text: str
    spans: tuple[Span, ...] = ()
    relations: tuple[Relation, ...] = ()
    task: str = ""
    model: str = ""
    model_digest: str = ""
    adapter_digest: str = ""
    template_hash: str = ""
    made_at: str = ""


_PROVENANCE = ("task", "model", "model_digest", "adapter_digest", "template_hash", "made_at")


def to_jsonl(documents: Iterable[TagDocument]) -> str:
    """Return one line a document: BigBIO's kb fields, and `notice` and `provenance`."""
    # ASCII only: a reader that splits lines at U+2028 does not break the file.
    return "".join(json.dumps(_as_kb(document)) + "\n" for document in documents)


def from_jsonl(content: str) -> Iterator[TagDocument]:
    """Yield the documents of `to_jsonl`'s output.

    Raises BadInput with the line number where a line is of another form, or a span's offsets do
    not hold its text.
    """
    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield _from_kb(json.loads(line))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
            raise BadInput(
                f"Line {number:,} is not a tagged document as Rounds exports it, or its offsets "
                "do not fit its text."
            ) from None


def to_conll(documents: Iterable[TagDocument]) -> str:
    """Return one line a token (token, tab, BIO tag), a blank line after each sentence.

    Lines that begin with "# " are remarks: the notice, ids, provenance, and how many spans BIO
    cannot hold (of overlapping spans the longest is kept). A token never contains a blank, so
    a token "#" is followed by its tab.
    """
    return f"# {NOTICE}\n" + "".join(_conll(document) for document in documents)


def _conll(document: TagDocument) -> str:
    offsets = tokens(document.text)
    tagged = to_bio(document.spans, offsets)
    remarks = {"id": document.id, **{name: getattr(document, name) for name in _PROVENANCE}}
    lines = [f"# {name} = {_one_line(value)}" for name, value in remarks.items() if value]
    if tagged.left_out:
        lines.append(f"# spans left out (overlapping) = {len(tagged.left_out)}")
    ends = iter([end for _, end in sentences(document.text)])
    end = next(ends, 0)
    for (start, stop), tag in zip(offsets, tagged.tags, strict=True):
        if start >= end:
            lines.append("")
            end = next((e for e in ends if e > start), len(document.text))
        lines.append(f"{_one_line(document.text[start:stop])}\t{tag}")
    return "\n".join([*lines, "", ""])


def _one_line(text: str) -> str:
    """Return the text without what would break a line or a column."""
    return " ".join(text.split())


def _as_kb(document: TagDocument) -> dict[str, Any]:
    """Return BigBIO's kb form of a document; ends of relations are entities as well."""
    ends = (span for relation in document.relations for span in (relation.head, relation.tail))
    entities = [*document.spans, *(end for end in dict.fromkeys(ends) if end not in document.spans)]
    places = {span: f"e{n}" for n, span in reversed(list(enumerate(entities)))}
    return {
        "id": document.id,
        "document_id": document.id,
        "passages": [
            {
                "id": "p0",
                "type": "text",
                "text": [document.text],
                "offsets": [[0, len(document.text)]],
            }
        ],
        "entities": [
            {
                "id": f"e{n}",
                "type": span.label,
                "text": [span.text],
                "offsets": [[span.start, span.end]],
                "normalized": [],
            }
            for n, span in enumerate(entities)
        ],
        "events": [],
        "coreferences": [],
        "relations": [
            {
                "id": f"r{n}",
                "type": relation.type,
                "arg1_id": places[relation.head],
                "arg2_id": places[relation.tail],
                "normalized": [],
            }
            for n, relation in enumerate(document.relations)
        ],
        "notice": NOTICE,
        "provenance": {name: getattr(document, name) for name in _PROVENANCE},
    }


def _from_kb(data: dict[str, Any]) -> TagDocument:
    text = data["passages"][0]["text"][0]
    spans = {entity["id"]: _span(entity, text) for entity in data["entities"]}
    relations = tuple(
        Relation(spans[relation["arg1_id"]], spans[relation["arg2_id"]], relation["type"])
        for relation in data["relations"]
    )
    made = {name: str(data["provenance"].get(name, "")) for name in _PROVENANCE}
    return TagDocument(data["id"], text, tuple(spans.values()), relations, **made)


def _span(entity: dict[str, Any], text: str) -> Span:
    start, end = entity["offsets"][0]
    span = Span(start, end, entity["type"], entity["text"][0])
    if not 0 <= start <= end or text[start:end] != span.text:
        raise ValueError("the offsets do not hold the text")
    return span
