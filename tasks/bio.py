"""Spans to BIO tags over tokens, and back. Tags are "O", "B-Label" and "I-Label"."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tasks.base import Span
from tasks.text import Offsets


@dataclass(frozen=True, slots=True)
class Tagged:
    """tags: one a token; left_out: spans that overlap a longer one or touch no token."""

    tags: tuple[str, ...]
    left_out: tuple[Span, ...]


def join_tokens(words: Sequence[str]) -> tuple[str, Offsets]:
    """Return the words joined by single spaces, and each word's (start, end) in that text."""
    offsets: Offsets = []
    start = 0
    for word in words:
        offsets.append((start, start + len(word)))
        start += len(word) + 1
    return " ".join(words), offsets


def to_bio(spans: Sequence[Span], offsets: Sequence[tuple[int, int]]) -> Tagged:
    """Tag each token that a span touches.

    BIO has one tag a token: of overlapping spans the longest is kept (of equals, the first),
    and the others are returned in `left_out`.
    """
    tags = ["O"] * len(offsets)
    left_out = []
    for span in sorted(spans, key=lambda span: (span.start - span.end, span)):
        touched = _touched(span, offsets)
        if touched and all(tags[index] == "O" for index in touched):
            tags[touched[0]] = f"B-{span.label}"
            for index in touched[1:]:
                tags[index] = f"I-{span.label}"
        else:
            left_out.append(span)
    return Tagged(tuple(tags), tuple(sorted(left_out)))


def _touched(span: Span, offsets: Sequence[tuple[int, int]]) -> range:
    """Return the indices of the tokens that share a character with the span."""
    first = _first_after(offsets, span.start)
    last = first
    while last < len(offsets) and offsets[last][0] < span.end:
        last += 1
    return range(first, last)


def _first_after(offsets: Sequence[tuple[int, int]], position: int) -> int:
    """Return the index of the first token that ends after the position (binary search)."""
    low, high = 0, len(offsets)
    while low < high:
        middle = (low + high) // 2
        if offsets[middle][1] <= position:
            low = middle + 1
        else:
            high = middle
    return low


def from_bio(
    tags: Sequence[str], offsets: Sequence[tuple[int, int]], text: str, label: str = ""
) -> list[Span]:
    """Return the spans that the tags mark, in order.

    Bare "B" and "I" take `label`. An "I" that continues nothing opens a span, as conlleval reads
    it. Raises ValueError where tags and tokens differ in number or a tag is none of BIO.
    """
    if len(tags) != len(offsets):
        raise ValueError(f"{len(tags)} tags for {len(offsets)} tokens")
    return [
        Span(offsets[first][0], offsets[last][1], kind, text[offsets[first][0] : offsets[last][1]])
        for first, last, kind in _runs(tags, label)
    ]


def _runs(tags: Sequence[str], label: str) -> Iterator[tuple[int, int, str]]:
    """Yield (first token, last token, label) of each marked run."""
    first, kind = -1, ""
    for index, tag in enumerate(tags):
        prefix, _, own = tag.partition("-")
        if prefix not in ("B", "I", "O"):
            raise ValueError(f"tag {index + 1} is none of B, I and O")
        goes_on = prefix == "I" and first >= 0 and (own or label) == kind
        if first >= 0 and not goes_on:
            yield first, index - 1, kind
            first = -1
        if prefix != "O" and not goes_on:
            first, kind = index, own or label
    if first >= 0:
        yield first, len(tags) - 1, kind
