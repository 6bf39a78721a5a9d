"""Which passage each sentence of an answer rests on, or that none was found.

Shared words first: every number of the sentence must stand in the quoted place, and most of
its content words. Where wording differs, closeness of meaning may stand in for the words, but
never for the numbers. A link says "this is about the same", not "this is true".
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from tasks.text import sentences

Embed = Callable[[list[str]], list[list[float]]]

# Shares of content words and cosine similarity from which a quote counts as support.
WORDS = 0.6
MEANING = 0.7
_FEWEST_WORDS = 2  # a single shared word links nothing

_WORD = re.compile(r"[^\W\d_]{2,}|\d+(?:[.,]\d+)*")
_CITATION = re.compile(r"\[\d+(?:\s*[,;–-]\s*\d+)*\]")
_ENDING = re.compile(r"(?<=\w{3})(?:ing|ed|es|s|e)$")
_COMMON = frozenset(
    "a about after all also am an and any are as at be been being but by can could did do does "
    "for from get give given had has have he her him his how if in into is it its long many may "
    "me more most much must my need needed no nobody not of on one or other our patient "
    "patients quickly she should so some someone soon such than that the their them then there "
    "these they think this those to us want was we were what when where which while who whom "
    "why will with would you your".split()
)


@dataclass(frozen=True, slots=True)
class Quote:
    """The place in a passage that a sentence rests on: `passage[start:end]`."""

    passage: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Support:
    """A sentence `answer[start:end]` and what it rests on.

    passages: numbers of the passages that support it, best first; empty where none does.
    score: of the best, 0 to 1 (share of words, or cosine); quote: the place in the best.
    """

    start: int
    end: int
    sentence: str = field(repr=False)
    passages: tuple[int, ...] = ()
    score: float = 0.0
    quote: Quote | None = None


@dataclass(frozen=True, slots=True)
class _Window:
    """One or two neighbouring sentences of a passage.

    numbers: those that a sentence resting here may hold. Two sentences lend none: a dose must
    not be borrowed from the drug next to it.
    """

    quote: Quote
    text: str
    words: frozenset[str]
    numbers: frozenset[str]


def support(
    answer: str, passages: Sequence[tuple[int, str]], embed: Embed | None = None
) -> list[Support]:
    """Return every sentence of an answer with the passages, (number, text), it rests on.

    embed: gives unit vectors of texts; without it only words count. Calls of it block.
    """
    windows = [window for number, text in passages for window in _windows(number, text)]
    found = [_by_words(answer[start:end], start, windows) for start, end in sentences(answer)]
    open_ends = [one for one in found if not one.passages and content_words(one.sentence)]
    if embed is None or not open_ends or not windows:
        return found
    by_meaning = _by_meaning(open_ends, windows, embed)
    return [by_meaning.get(one.start, one) for one in found]


def content_words(text: str) -> frozenset[str]:
    """Return the words that carry the content, lower case and without endings, and numbers."""
    words = _WORD.findall(_CITATION.sub(" ", text).lower())
    return frozenset(_stem(word) for word in words if word not in _COMMON)


def _stem(word: str) -> str:
    if word[0].isdigit():
        return re.sub(r",(?=\d{3}\b)", "", word)
    return _ENDING.sub("", word)


def _windows(number: int, text: str) -> Iterable[_Window]:
    spans = sentences(text)
    for index, (start, end) in enumerate(spans):
        words = content_words(text[start:end])
        yield _Window(Quote(number, start, end), text[start:end], words, _numbers(words))
        if index + 1 < len(spans):
            last = spans[index + 1][1]
            both = content_words(text[start:last])
            yield _Window(Quote(number, start, last), text[start:last], both, frozenset())


def _numbers(words: frozenset[str]) -> frozenset[str]:
    return frozenset(word for word in words if word[0].isdigit())


def _by_words(sentence: str, start: int, windows: Sequence[_Window]) -> Support:
    words = content_words(sentence)
    scored = [
        (len(words & window.words) / len(words), window.quote)
        for window in windows
        if len(words & window.words) >= _FEWEST_WORDS and _numbers(words) <= window.numbers
    ]
    return _best(sentence, start, scored, WORDS)


def _by_meaning(
    open_ends: Sequence[Support], windows: Sequence[_Window], embed: Embed
) -> dict[int, Support]:
    texts = [_CITATION.sub("", one.sentence).strip() for one in open_ends]
    vectors = embed([*texts, *(window.text for window in windows)])
    found = {}
    for one, vector in zip(open_ends, vectors, strict=False):
        needed = _numbers(content_words(one.sentence))
        scored = [
            (sum(a * b for a, b in zip(vector, other, strict=True)), window.quote)
            for window, other in zip(windows, vectors[len(texts) :], strict=True)
            if needed <= window.numbers
        ]
        found[one.start] = _best(one.sentence, one.start, scored, MEANING)
    return found


def _best(
    sentence: str, start: int, scored: Sequence[tuple[float, Quote]], threshold: float
) -> Support:
    """Return the support at or above the threshold; of equals the shortest, then the first."""
    good = [(score, quote) for score, quote in scored if score >= threshold]
    good.sort(key=lambda pair: (-pair[0], pair[1].end - pair[1].start))
    end = start + len(sentence)
    if not good:
        return Support(start, end, sentence)
    numbers = tuple(dict.fromkeys(quote.passage for _, quote in good))
    return Support(start, end, sentence, numbers, min(1.0, good[0][0]), good[0][1])
