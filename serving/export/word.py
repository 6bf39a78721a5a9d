"""A draft as a Word document, made in memory."""

import io
from datetime import UTC, datetime
from typing import Any

from serving.export.draft import (
    NOTHING,
    DraftDocument,
    admission_facts,
    blocks,
    heading,
    notices,
    printable_lines,
    provenance,
)
from serving.notice import NOTICE


def to_docx(doc: DraftDocument) -> bytes:
    """Return the draft as .docx: headings, lists, the notice on every page, page numbers.

    The file's metadata hold neither patient text nor ids.
    """
    import docx

    document = docx.Document()
    _metadata(document, doc)
    _frame(document.sections[0], doc)
    document.add_heading(_line(heading(doc)), level=1)
    for notice in notices(doc):
        document.add_paragraph().add_run(notice).bold = True
    _pairs(document, admission_facts(doc))
    for section in doc.sections:
        document.add_heading(_line(section.title), level=2)
        written = list(blocks(section))
        for block in written:
            if block.is_list:
                for item in block.lines:
                    document.add_paragraph(item, style="List Bullet")
            else:
                document.add_paragraph("\n".join(block.lines))  # \n becomes a line break
        if not written:
            document.add_paragraph(NOTHING)
    document.add_heading("About this document", level=2)
    _pairs(document, provenance(doc))
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _metadata(document: Any, doc: DraftDocument) -> None:
    """Replace python-docx's own metadata with ours."""
    properties = document.core_properties
    properties.title = heading(doc)
    properties.author = properties.last_modified_by = "Rounds"
    properties.comments = NOTICE
    properties.created = properties.modified = datetime.now(UTC).replace(tzinfo=None)


def _frame(page: Any, doc: DraftDocument) -> None:
    """Put the notice at the head of every page, status and page numbers at its foot."""
    page.header.paragraphs[0].text = NOTICE
    foot = page.footer.paragraphs[0]
    foot.add_run(f"{heading(doc)} · page ")
    _field(foot, "PAGE")
    foot.add_run(" of ")
    _field(foot, "NUMPAGES")


def _field(paragraph: Any, instruction: str) -> None:
    """Add a field that Word computes; python-docx has no call for it."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    field = OxmlElement("w:fldSimple")
    field.set(qn("w:instr"), instruction)
    run, text = OxmlElement("w:r"), OxmlElement("w:t")
    text.text = "1"  # shown until the reader's program computes it
    run.append(text)
    field.append(run)
    paragraph._p.append(field)


def _pairs(document: Any, pairs: list[tuple[str, str]]) -> None:
    for label, value in pairs:
        paragraph = document.add_paragraph()
        paragraph.paragraph_format.space_after = 0
        paragraph.add_run(f"{_line(label)}: ").bold = True
        paragraph.add_run(_line(value))


def _line(text: str) -> str:
    return " ".join(printable_lines(text))
