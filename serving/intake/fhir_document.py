"""From a DocumentReference to its text: what is inline is read, nothing is ever fetched."""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

from serving.intake.common import is_text
from serving.intake.fhir_bundle import Resource

READABLE = ("text/plain", "text/html")  # in order of preference
_BLOCKS = re.compile(
    "p|div|br|hr|li|tr|table|[uod]l|d[td]|h[1-6]|pre|blockquote|section|article|header|footer"
)


class UnreadableError(Exception):
    """A document's text cannot be had; the message is the reason, in words."""


def document_text(document: Resource, find: Callable[[str], Resource | None]) -> str:
    """Return the text of the document's first readable content (plain before HTML).

    find: the bundle's resource by reference; an attachment whose url is a Binary of the same
    bundle is read from there. Raises UnreadableError with the reason otherwise.
    """
    contents = [content for content in document.raw["content"] or [] if content]
    if not contents:
        raise UnreadableError("it is empty")
    resolved = [_resolved(content.get("attachment") or {}, find) for content in contents]
    reasons = []
    for mime in READABLE:
        for attachment in resolved:
            if _mime(attachment) == mime:
                try:
                    return _text(attachment, mime)
                except UnreadableError as error:
                    reasons.append(error)
    raise reasons[0] if reasons else UnreadableError(_why_not(resolved[0]))


def html_to_text(markup: str) -> str:
    """Return the words of an HTML page, a new line where a block begins or ends."""
    from bs4 import BeautifulSoup

    # The wrapping keeps the parser from taking a short text for a file name, or for XML.
    soup = BeautifulSoup(f"<div>{markup}</div>", "html.parser")
    for element in soup(["script", "style", "head", "template"]):
        element.decompose()
    for element in soup(lambda tag: _BLOCKS.fullmatch(tag.name) is not None):
        element.insert_before("\n")
        element.insert_after("\n")
    lines = [" ".join(line.split()) for line in soup.get_text().splitlines()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _resolved(attachment: dict[str, Any], find: Callable[[str], Resource | None]) -> dict[str, Any]:
    """Return the attachment, with the data of the bundle's own Binary where its url names one."""
    binary = None if attachment.get("data") else find(str(attachment.get("url") or ""))
    if binary is None or binary.kind != "Binary":
        return attachment
    kind = attachment.get("contentType") or binary.raw.get("contentType")
    return {"contentType": kind, "data": binary.raw.get("data")}


def _text(attachment: dict[str, Any], mime: str) -> str:
    data = attachment.get("data")
    if not data:
        raise UnreadableError(_why_not(attachment))
    try:
        raw = base64.b64decode("".join(data.split()), validate=True)
        text = raw.decode(_charset(attachment)).removeprefix("\ufeff")
    except binascii.Error:
        raise UnreadableError("its data is not base64") from None
    except (UnicodeDecodeError, LookupError):
        raise UnreadableError("its text is not in the character set it states (or UTF-8)") from None
    if not is_text(text):
        raise UnreadableError("it says it is text, but holds NUL characters") from None
    text = html_to_text(text) if mime == "text/html" else text
    if not text.strip():
        raise UnreadableError("it is empty")
    return text


def _why_not(attachment: dict[str, Any]) -> str:
    mime = _mime(attachment)
    if mime not in READABLE and mime:
        known = re.fullmatch(r"[a-z]+/[a-z0-9.+-]{1,80}", mime)
        return f"its content type is {mime if known else 'unknown'}, not plain text or HTML"
    if attachment.get("url"):
        return "its text is kept at a url, and nothing is fetched"
    return "it does not state a content type" if not mime else "it is empty"


def _mime(attachment: dict[str, Any]) -> str:
    return str(attachment.get("contentType") or "").split(";")[0].strip().lower()


def _charset(attachment: dict[str, Any]) -> str:
    """Return the stated character set; UTF-8 where none is stated."""
    stated = re.search(r"charset\s*=\s*\"?([\w.:-]+)", str(attachment.get("contentType")), re.I)
    return stated[1] if stated else "utf-8"
