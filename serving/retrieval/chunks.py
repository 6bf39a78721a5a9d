"""Passages: pieces of a document small enough to be embedded whole and to be read at a glance."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from serving.retrieval.documents import Document, Section

# MiniLM reads 256 word pieces, two of them its own marks; title and heading go in front.
PASSAGE_PIECES = 160
_HEADER_CHARS = 160
# A word without end is one unknown piece to the model; it must not make an endless passage.
_CHARS_PER_PIECE = 8

# Never inside a sentence while there is another way; the last resort is anywhere.
_SEPARATORS = [r"\n\s*\n", r"\n", r"(?<=[.!?;])\s", r"\s", ""]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage of a document, `document.text[start:end]`, and where it stands."""

    text: str = field(repr=False)
    start: int
    end: int
    heading: str = field(default="", repr=False)
    page: int | None = None
    first: bool = False  # of its document

    def with_header(self, title: str) -> str:
        """Return the passage under its title and heading, without which many mean nothing."""
        header = dict.fromkeys((title, self.heading))  # a document's first heading is its title
        return "\n".join([*(line[:_HEADER_CHARS] for line in header if line), self.text])


def split(document: Document, count: Callable[[str], int]) -> list[Chunk]:
    """Return the passages of a document, in order.

    count: the length of a text in word pieces. A passage never crosses a heading or a page.
    The passages tile the document but for blank stretches: nothing is left out or held twice.
    """
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    def length(text: str) -> int:
        return max(count(text), len(text) // _CHARS_PER_PIECE)

    splitter = RecursiveCharacterTextSplitter(
        separators=_SEPARATORS,
        is_separator_regex=True,
        keep_separator="end",
        strip_whitespace=False,
        chunk_size=PASSAGE_PIECES,
        chunk_overlap=0,
        length_function=length,
    )
    chunks = [
        chunk
        for section in document.sections
        for chunk in _place(
            section, splitter.split_text(document.text[section.start : section.end])
        )
    ]
    return [replace(chunk, first=number == 0) for number, chunk in enumerate(chunks)]


def _place(section: Section, texts: list[str]) -> Iterator[Chunk]:
    start = section.start
    for text in texts:
        end = start + len(text)
        if text.strip():
            yield Chunk(text, start, end, section.heading, section.page)
        start = end
