"""Break control strings apart inside text that is data, so that a note cannot fake a turn."""

import re
from collections.abc import Sequence
from functools import lru_cache


def break_up(text: str, controls: Sequence[str]) -> str:
    """Return the text with a space inside every occurrence of a control string.

    The space goes before the colon of a heading ("INPUT :"), else after the first character
    ("< |im_end|>"): still legible, no longer the token. Nothing is removed, and a text without
    control strings comes back as it is. Linear in the text.
    """
    pattern = _pattern(tuple(sorted(set(controls))))
    return pattern.sub(" ", text) if pattern else text


@lru_cache(maxsize=64)
def _pattern(controls: tuple[str, ...]) -> re.Pattern[str] | None:
    """Return a pattern that matches the empty places where a space must go.

    Empty matches look at each place for itself, so that strings that overlap are all broken.
    """
    headings = [c for c in controls if len(c) > 2 and c.endswith(":")]
    others = [c for c in controls if len(c) > 1 and c not in headings]
    places = []
    if headings:
        before = "|".join(f"(?<={re.escape(heading[:-1])})" for heading in headings)
        places.append(f"(?=:)(?:{before})")
    for first in sorted({control[0] for control in others}):
        rest = "|".join(re.escape(c[1:]) for c in others if c[0] == first)
        places.append(f"(?<={re.escape(first)})(?={rest})")
    return re.compile("|".join(places)) if places else None
