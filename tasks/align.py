"""From the strings a model names to spans of the source text.

A model names entities by their text; where they stand is for us to find. What the text does
not hold is dropped and counted, so that nothing invented is ever shown.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from tasks.base import Span
from tasks.fold import Folded, fold, is_mark, is_word


@dataclass(frozen=True, slots=True)
class Alignment:
    """spans: what was found, in order of the text; dropped: how many named strings were not."""

    spans: tuple[Span, ...]
    dropped: int


def align(text: str, named: Sequence[tuple[str, str]]) -> Alignment:
    """Find each named (label, string) in the text.

    The strings of one label are expected in order of appearance: each takes the next free place
    after the one before it, else the first free place from the start. Whole words come before
    parts of words, and the exact spelling before one that differs in case, white space or
    Unicode form. A place is given once; one that overlaps another is given only where no other
    is free. A span's text is always the source's own slice.
    """
    search = _Search(text)
    spans = [found for label, string in named if (found := search.take(label, string))]
    return Alignment(tuple(sorted(spans)), len(named) - len(spans))


class _Search:
    """The places already given, and where the next string of each label is looked for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.given: set[tuple[int, int]] = set()
        self.covered = bytearray(len(text))
        self.cursor: dict[str, int] = {}
        self.places: dict[str, list[list[tuple[int, int]]]] = {}

    @cached_property
    def folded(self) -> Folded:
        return fold(self.text)

    def take(self, label: str, string: str) -> Span | None:
        """Give the best free place of `string` to `label`, or None."""
        tiers = self.places.get(string)
        if tiers is None:
            tiers = self.places[string] = self._tiers(string.strip())
        for overlap_allowed in (False, True):
            for tier in tiers:
                for start, end in _from(tier, self.cursor.get(label, 0)):
                    if self._is_free(start, end, overlap_allowed):
                        return self._give(label, start, end)
        return None

    def _is_free(self, start: int, end: int, overlap_allowed: bool) -> bool:
        if (start, end) in self.given:
            return False
        return overlap_allowed or not any(self.covered[start:end])

    def _give(self, label: str, start: int, end: int) -> Span:
        self.given.add((start, end))
        self.covered[start:end] = b"\1" * (end - start)
        self.cursor[label] = end
        return Span(start, end, label, self.text[start:end])

    def _tiers(self, string: str) -> list[list[tuple[int, int]]]:
        """Return the places of `string`, best kind first: whole exact, whole folded, parts."""
        exact = [place for place in _exact(self.text, string) if self._keeps_marks(*place)]
        whole = [place for place in exact if self._is_whole(*place)]
        folded = list(_folded(self.folded, fold(string).text))
        return [whole, [place for place in folded if self._is_whole(*place)], exact, folded]

    def _is_whole(self, start: int, end: int) -> bool:
        """Say whether neither edge lies inside a word."""
        text = self.text
        opens = start == 0 or not (is_word(text[start - 1]) and is_word(text[start]))
        closes = end == len(text) or not (is_word(text[end - 1]) and is_word(text[end]))
        return opens and closes

    def _keeps_marks(self, start: int, end: int) -> bool:
        """Say whether no edge parts a letter from its accent."""
        text = self.text
        starts_inside = start > 0 and is_mark(text[start])
        return not starts_inside and not (end < len(text) and is_mark(text[end]))


def _from(places: list[tuple[int, int]], cursor: int) -> Iterator[tuple[int, int]]:
    """Yield the places that begin at or after the cursor, then the earlier ones."""
    first = bisect_left(places, (cursor, 0))
    for index in range(len(places)):
        yield places[(first + index) % len(places)]


def _exact(text: str, string: str) -> Iterator[tuple[int, int]]:
    start = text.find(string) if string else -1
    while start >= 0:
        yield start, start + len(string)
        start = text.find(string, start + 1)


def _folded(folded: Folded, string: str) -> Iterator[tuple[int, int]]:
    for start, end in _exact(folded.text, string):
        place = folded.source_span(start, end)
        if place is not None:
            yield place
