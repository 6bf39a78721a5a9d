"""Sentences and tokens of clinical text, as character offsets. Pure functions, linear in time."""

import re
from functools import cache
from typing import Any

Offsets = list[tuple[int, int]]

_LINE = re.compile(r"[^\r\n\v\f\x85\u2028\u2029]+")
_END = re.compile(r"(?<![.!?])[.!?]++[\"'”’)\]]*+(?=\s)")
_LIST_ITEM = re.compile(r"\s*(?:[-*•·–—>#+]|\(?\d{1,3}[.):]|\(?[A-Za-z][.)])\s")
_HEADING = re.compile(r"\s*[A-Z][\w /&()'-]{0,50}:(?:\s|$)")
_DATED = re.compile(r"\s*\[?\*{0,2}\d{1,4}[-/.:]\d")
_DOTTED = re.compile(r"\(?(?:[A-Za-z]{1,2}\.)+[A-Za-z]{1,2}")
_ENUMERATOR = re.compile(r"\(?(?:\d{1,3}|[A-Za-z])")
_NEXT_WORD = re.compile(r"\s*(\S{1,20})")

# Hospital systems wrap prose near 70 columns; a shorter line ends where its author ended it.
_WRAPPED_FROM = 50
_LONGEST_WORD = 20
_NEVER_LAST = frozenset("dr drs mr mrs ms prof st vs e.g i.e cf fig eq ref al mt".split())
_SELDOM_LAST = frozenset(
    "approx est etc pt pts wt ht hx dx tx rx sx temp resp abd neg pos min max avg inc jr sr "
    "dept univ ext int lt rt bilat cont tab tabs cap caps inj susp sol soln".split()
)
_STARTERS = frozenset(
    "he she it they we i his her their its the this that these those there patient pt mr mrs ms "
    "dr on in at after before during since upon following given however no plan will was once "
    "a an as if when while for with due".split()
)


def sentences(text: str) -> Offsets:
    """Return (start, end) of each sentence, heading and list item, in order.

    Together they hold every character that is not white space, and none overlap. A line break
    ends a sentence unless the line is long enough to have been wrapped and the next is neither
    a heading nor a list item. A full stop ends one unless it belongs to an abbreviation
    ("Dr.", "q.d.", "vs."), a decimal or an enumerator ("1.").
    """
    return [sentence for start, end in _blocks(text) for sentence in _split_block(text, start, end)]


def _blocks(text: str) -> Offsets:
    """Return stretches of lines in which a sentence may run over a line break."""
    blocks: Offsets = []
    previous: tuple[int, int] | None = None
    for match in _LINE.finditer(text):
        start, end = match.span()
        line = text[start:end]
        if not line.strip():
            previous = None
        elif previous and _runs_on(text, previous, line, start):
            blocks[-1] = (blocks[-1][0], end)
            previous = (start, end)
        else:
            blocks.append((start, end))
            previous = (start, end)
    return blocks


def _runs_on(text: str, previous: tuple[int, int], line: str, start: int) -> bool:
    before = text[previous[0] : previous[1]].rstrip()
    gap = text[previous[1] : start]
    if len(gap.replace("\r\n", "\n")) > 1 or len(before.lstrip()) < _WRAPPED_FROM:
        return False
    starts_anew = _LIST_ITEM.match(line) or _HEADING.match(line) or _DATED.match(line)
    return not before.endswith(":") and not starts_anew


def _split_block(text: str, start: int, end: int) -> Offsets:
    found: Offsets = []
    for match in _END.finditer(text, start, end):
        if _ends_sentence(text, start, match):
            _append(found, text, start, match.end())
            start = match.end()
    _append(found, text, start, end)
    return found


def _append(found: Offsets, text: str, start: int, end: int) -> None:
    piece = text[start:end]
    stripped = piece.strip()
    if stripped:
        start += len(piece) - len(piece.lstrip())
        found.append((start, start + len(stripped)))


def _ends_sentence(text: str, start: int, mark: re.Match[str]) -> bool:
    """Say whether the punctuation at `mark` ends the sentence that began at `start`."""
    follows = _NEXT_WORD.match(text, mark.end())
    if follows is None:
        return True
    after = follows[1]
    if after[0].islower():
        return False
    if set(mark[0]) & {"!", "?"}:
        return True
    near = text[max(start, mark.start() - _LONGEST_WORD) : mark.start()]
    word = near.split()[-1] if near.split() else ""
    opening = text[start : min(mark.start(), start + 2 * _LONGEST_WORD)].strip()
    if opening == word and _ENUMERATOR.fullmatch(word):
        return False  # "1. Aspirin": the list item's own number
    plain = word.lower().lstrip("([")
    if plain in _NEVER_LAST or (plain == "no" and after[0].isdigit()):
        return False
    initial = len(plain) == 1 and plain.isalpha()
    if plain in _SELDOM_LAST or initial or _DOTTED.fullmatch(word):
        return after.strip(".,;:").lower() in _STARTERS
    return True


@cache
def _token_pattern() -> Any:
    import regex  # knows grapheme clusters, which the standard library does not

    # Flags have their own branch: \X looks back over the whole run of them at each one.
    flags = "[\U0001f1e6-\U0001f1ff]{1,2}+"
    return regex.compile(rf"\d++(?:[.,]\d++)++|\w++|{flags}|(?![\s\x1c-\x1f])\X")


def tokens(text: str) -> Offsets:
    """Return (start, end) of each word, number and punctuation mark, in order.

    Decimals stay whole ("1.5"); a letter keeps its combining marks and an emoji its modifiers.
    Together they hold every character that is not white space.
    """
    return [match.span() for match in _token_pattern().finditer(text)]
