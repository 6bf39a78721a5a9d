"""A draft as Markdown. What people and models wrote is shown as text, never as markup."""

import re

from serving.export.draft import (
    NOTHING,
    Block,
    DraftDocument,
    admission_facts,
    blocks,
    heading,
    notices,
    printable_lines,
    provenance,
)

_INLINE = re.compile(r"[\\`*_\[\]<>&~|$]|:(?=/)|(?<=www)\.", re.IGNORECASE)
_OPENING = re.compile(r"(?P<number>\d+)(?P<point>[.)])|(?P<mark>[#+=:-])")


def to_markdown(doc: DraftDocument) -> str:
    """Return the draft as CommonMark with the notice, the facts and the provenance."""
    parts = [
        f"# {escape(heading(doc))}",
        "\n>\n".join(f"> **{escape(notice)}**" for notice in notices(doc)),
        _pairs(admission_facts(doc)),
    ]
    for section in doc.sections:
        parts.append(f"## {escape(section.title)}")
        parts += [_block(block) for block in blocks(section)] or [NOTHING]
    parts += ["---", _pairs(provenance(doc))]
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Return one line that CommonMark (and GitHub's dialect) shows as exactly this text."""
    line = " ".join(printable_lines(text)).strip()
    line = _INLINE.sub(lambda match: "\\" + match[0], line)
    return _OPENING.sub(_escape_opening, line, count=1) if _OPENING.match(line) else line


def _escape_opening(match: re.Match[str]) -> str:
    """Take the meaning from what would open a heading, a list, a rule or an underline."""
    return f"{match['number']}\\{match['point']}" if match["number"] else f"\\{match['mark']}"


def _block(block: Block) -> str:
    if block.is_list:
        return "\n".join(f"- {escape(line)}" for line in block.lines)
    return "\\\n".join(escape(line) for line in block.lines)


def _pairs(pairs: list[tuple[str, str]]) -> str:
    return "\n".join(f"- {escape(label)}: {escape(value)}" for label, value in pairs)
