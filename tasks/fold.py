"""Text folded for tolerant search, with the way back to the source's own offsets."""

import unicodedata
from dataclasses import dataclass
from functools import cache


def is_mark(char: str) -> bool:
    """Say whether the character combines with the one before it, as an accent does."""
    return unicodedata.category(char)[0] == "M"


def is_word(char: str) -> bool:
    """Say whether the character is part of a word: letter, digit, underscore or mark."""
    return char.isalnum() or char == "_" or is_mark(char)


# Spellings of the same sign that keyboards, corpora and models mix up.
_LIKE = str.maketrans(
    dict.fromkeys("“”„‟″«»", '"') | dict.fromkeys("‘’‚‛′`", "'") | dict.fromkeys("‐‑‒–—−", "-")
    | {"\\": "/"}
)  # fmt: skip


@cache
def _fold_char(char: str) -> str:
    """Return the caseless, decomposed form, which may be longer ("ß" is "ss") or empty."""
    if unicodedata.category(char) in ("Cf", "Cc"):
        return ""  # soft hyphens, zero-width joiners and control characters are not seen
    plain = unicodedata.normalize("NFKD", char.translate(_LIKE)).casefold()
    return unicodedata.normalize("NFKD", plain)


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text; `origin[i]` is the index in the source of the folded character i."""

    text: str
    origin: tuple[int, ...]

    def source_span(self, start: int, end: int) -> tuple[int, int] | None:
        """Return the source offsets of folded [start, end), or None if it splits a character."""
        opens = start == 0 or self.origin[start - 1] != self.origin[start]
        closes = end == len(self.text) or self.origin[end] != self.origin[end - 1]
        cuts_mark = end < len(self.text) and is_mark(self.text[end])
        if not opens or not closes or cuts_mark:
            return None
        return self.origin[start], self.origin[end - 1] + 1


def fold(text: str) -> Folded:
    """Fold case, accents' two spellings, look-alike forms and white space.

    A run of white space between two words becomes one space; beside punctuation it goes, so
    that "ataxia - telangiectasia" and "Ataxia-Telangiectasia" are the same.
    """
    chars: list[str] = []
    origin: list[int] = []
    for index, char in enumerate(text):
        for folded in " " if char.isspace() else _fold_char(char):
            is_space = folded.isspace()
            if is_space and (not chars or not is_word(chars[-1])):
                continue
            if chars and chars[-1] == " " and not is_word(folded):
                chars.pop()
                origin.pop()
            chars.append(" " if is_space else folded)
            origin.append(index)
    if chars and chars[-1] == " ":
        chars.pop()
        origin.pop()
    return Folded("".join(chars), tuple(origin))
