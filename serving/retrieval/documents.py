"""What users add to ask about: text, Markdown, HTML and PDF, read from bytes in memory.

What a file is comes from its content, never from its name. Nothing is written to disk here.
"""

import hashlib
import io
import re
from dataclasses import dataclass, field

from serving.errors import BadInput, TooLong
from serving.intake.text import decode
from serving.notes import Note

# About 400 dense pages; embedding more would keep two cores busy for many minutes.
MAX_CHARS = 2_000_000
_TITLE_CHARS = 160

_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.+?)[ \t#]*$")
_FENCE = re.compile(r" {0,3}(```|~~~)")
_HTML = re.compile(r"\s*(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body)\b", re.I | re.S)
_HTML_PIECE = re.compile(r"\s*<(\w+)(\s[^<>]*)?>.*</\1\s*>\s*\Z", re.I | re.S)

# What a page runs or shows around its text, not its text.
_NOT_TEXT = ("script", "style", "noscript", "template", "iframe", "object", "svg", "nav", "head")
_BLOCKS = re.compile(
    "^(address|article|aside|blockquote|dd|details|div|dl|dt|fieldset|figcaption|figure|footer|form|"
    "header|hr|li|main|ol|p|pre|section|summary|table|tbody|thead|tr|ul)$"
)


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a document under one heading or on one page (page counts from 1)."""

    heading: str
    start: int
    end: int
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A text that can be cited.

    id: SHA-256 of the content; sections: in order, together they cover the text;
    note_id: set where the document is a note of a patient; remarks: what could not be read,
    in words for the user.
    """

    id: str
    title: str = field(repr=False)
    text: str = field(repr=False)
    sections: tuple[Section, ...] = field(repr=False)
    note_id: str | None = None
    remarks: tuple[str, ...] = ()


def read_document(name: str, data: bytes) -> Document:
    """Return the document in an uploaded file; `name` is only used as a title of last resort.

    Raises BadInput for a file without text, not UTF-8, encrypted or broken, and TooLong above
    MAX_CHARS characters, each saying what to do.
    """
    remarks: tuple[str, ...] = ()
    if data.lstrip()[:5] == b"%PDF-":
        title, text, sections, remarks = _read_pdf(data)
    else:
        title, text = "", decode(data).replace("\r\n", "\n")
        if _HTML.match(text) or _HTML_PIECE.match(text):
            title, text = _read_html(text)
        sections = _by_heading(text)
    if not text.strip():
        raise BadInput("The file holds no text. Choose a file with text in it.")
    if len(text) > MAX_CHARS:
        raise TooLong(
            f"The document has {len(text):,} characters; at most {MAX_CHARS:,} can be read. "
            "Split it and add the parts you need."
        )
    title = title or _first_heading(sections) or name
    digest = hashlib.sha256(data).hexdigest()
    return Document(digest, _one_line(title), text, sections, remarks=remarks)


def from_note(note: Note) -> Document:
    """Return a patient's note as a document; offsets are those of the note's own text."""
    content = "\0".join((note.note_id, note.category, note.charted_at, note.text))
    title = " · ".join(part for part in (note.category, note.charted_at) if part) or note.note_id
    whole = (Section("", 0, len(note.text)),)
    digest = hashlib.sha256(content.encode()).hexdigest()
    return Document(digest, _one_line(title), note.text, whole, note_id=note.note_id)


def _read_pdf(data: bytes) -> tuple[str, str, tuple[Section, ...], tuple[str, ...]]:
    """Return title, text, one section a page, and which pages have no text."""
    import pypdf
    from pypdf.errors import PyPdfError

    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise BadInput(
                "The PDF is protected by a password. Save a copy without one and add that."
            )
        pages = [page.extract_text() for page in reader.pages]
        title = (reader.metadata.title if reader.metadata else None) or ""
    except BadInput:
        raise
    except (PyPdfError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        # pypdf meets broken files with whatever the broken part leads to.
        raise BadInput(
            f"The PDF is broken and cannot be read ({type(error).__name__}). "
            "Open it in a PDF viewer, print it to a new PDF and add that."
        ) from None
    blank = [number for number, text in enumerate(pages, 1) if not text.strip()]
    if len(blank) == len(pages):
        raise BadInput(
            "The PDF has no text layer: its pages are pictures. "
            "Run it through text recognition (OCR) first, then add it again."
        )
    text, sections = "", []
    for number, page in enumerate(pages, 1):
        start, text = len(text), text + page + "\n\n"
        sections.append(Section("", start, len(text), number))
    remark = f"No text on page {', '.join(map(str, blank))}: pictures are not read."
    return title, text, tuple(sections), (remark,) if blank else ()


def _read_html(markup: str) -> tuple[str, str]:
    """Return title and text of a page, its headings as Markdown, without what it would run."""
    from bs4 import BeautifulSoup
    from bs4.element import NavigableString

    soup = BeautifulSoup(markup, "html.parser")
    title = soup.title.get_text() if soup.title else ""
    for tag in soup.find_all(_NOT_TEXT):
        tag.decompose()
    for node in soup.find_all(string=True):
        if type(node) is not NavigableString:
            node.extract()  # comments, declarations
        elif not node.find_parent("pre"):
            node.replace_with(re.sub(r"\s+", " ", node))
    for tag in soup.find_all("br"):
        tag.replace_with("\n")
    for tag in soup.find_all(("td", "th")):
        tag.append(" ")
    for tag in soup.find_all([f"h{level}" for level in range(1, 7)]):
        tag.replace_with(f"\n\n{'#' * int(tag.name[1])} {_one_line(tag.get_text())}\n\n")
    for tag in soup.find_all(_BLOCKS):
        tag.insert_before("\n- " if tag.name == "li" else "\n")
        tag.insert_after("\n")
    text = re.sub(r"[ \t]*\n[ \t]*", "\n", soup.get_text())
    return title, re.sub(r"\n{3,}", "\n\n", text).strip()


def _by_heading(text: str) -> tuple[Section, ...]:
    """Return the stretches between Markdown headings; a heading starts its own section."""
    starts: list[tuple[int, str]] = []
    position, fenced = 0, False
    for line in text.splitlines(keepends=True):
        if _FENCE.match(line):
            fenced = not fenced
        elif not fenced and (heading := _HEADING.match(line.rstrip("\r\n"))):
            starts.append((position, heading[2].strip()))
        position += len(line)
    if not starts or starts[0][0] > 0:
        starts.insert(0, (0, ""))
    ends = [start for start, _ in starts[1:]] + [len(text)]
    return tuple(
        Section(heading, start, end) for (start, heading), end in zip(starts, ends, strict=True)
    )


def _first_heading(sections: tuple[Section, ...]) -> str:
    return next((section.heading for section in sections if section.heading), "")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:_TITLE_CHARS]
