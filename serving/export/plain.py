"""A draft as plain text, for pasting into a hospital system."""

from serving.export.draft import (
    NOTHING,
    DraftDocument,
    admission_facts,
    heading,
    notices,
    printable_lines,
    provenance,
)


def to_text(doc: DraftDocument) -> str:
    """Return the draft as plain text; the lines of the sections are kept as they are."""
    parts = [
        heading(doc).upper(),
        "\n".join(notices(doc)),
        _pairs(admission_facts(doc)),
    ]
    for section in doc.sections:
        body = "\n".join(printable_lines(section.text)) if section.text.strip() else NOTHING
        parts.append(f"{section.title.upper()}\n{body}")
    parts += ["-" * 40, _pairs(provenance(doc))]
    return "\n\n".join(parts) + "\n"


def _pairs(pairs: list[tuple[str, str]]) -> str:
    return "\n".join(f"{label}: {' '.join(printable_lines(value))}" for label, value in pairs)
