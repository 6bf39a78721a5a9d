"""What a validator found, in words: paths and kinds, never the values (of a patient, maybe)."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

_WORDS = {
    "missing": "is missing",
    "model_field_validation.missing": "is missing",
    "extra_forbidden": "is not a field of this form",
    "json_invalid": "is not a whole JSON object",
    "json_type": "is not a whole JSON object",
    "base64_decode": "is not base64",
    "string_too_short": "is empty",
    "string_unicode": "holds half of a surrogate pair, which is not text",
    "string_type": "must be a string",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
}


def in_words(errors: Iterable[Any], prefix: Sequence[str | int] = (), limit: int = 5) -> list[str]:
    """Return up to `limit` problems as `entry[2].resource.status is missing`.

    errors: as of pydantic's `ValidationError.errors()`; prefix: where the validated part stands.
    """
    problems = []
    for error in errors:
        where = path([*prefix, *error["loc"]])
        what = _WORDS.get(error["type"], "is not valid")
        problems.append(f"{where} {what}" if where else f"it {what}")
    more = len(problems) - limit
    return problems[:limit] + ([f"and {more} more"] if more > 0 else [])


def path(parts: Sequence[str | int]) -> str:
    """Return `entry[2].resource`; a name that is not a plain word is shown as `?`."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            word = part if re.fullmatch(r"_?[A-Za-z][A-Za-z_]{0,40}", part) else "?"
            text += f".{word}" if text else word
    return text
