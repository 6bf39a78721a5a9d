"""A plain-text upload: bytes to text, without guessing an encoding."""

import codecs
import re

from serving.errors import BadInput
from serving.intake.common import Intake
from serving.intake.paste import split_notes

# Openings of files that people rename to .txt by mistake, and what to call them.
_MAGIC = (
    (b"%PDF-", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive or an Office document (.docx, .xlsx, .odt)"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document (.doc, .xls)"),
    (b"{\\rtf", "a rich text document (.rtf)"),
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"\x1f\x8b", "a gzip archive: unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive: unpack it first"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"PAR1", "a Parquet table"),
)


def read_text(data: bytes) -> Intake:
    """Return the note (or notes, see `split_notes`) of a text file.

    Raises BadInput where the file is empty, binary, or not UTF-8 (or UTF-16 with its mark).
    """
    return split_notes(decode(data), form="text")


def decode(data: bytes) -> str:
    """Return the text of UTF-8 bytes (with or without BOM) or of UTF-16 with BOM.

    Line ends stay as they are. Raises BadInput naming what the file looks like, or the first
    byte that is not UTF-8.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _utf16(data)
    refuse_binary(data)
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError:
        raise not_utf8(data) from None


def refuse_binary(data: bytes) -> None:
    """Raise BadInput where the bytes are not text but a known or unknown binary form."""
    if what := looks_like(data):
        raise BadInput(
            f"This is not a text file; it looks like {what}. "
            "Save it as plain text (UTF-8), or copy its text and paste it."
        )


def looks_like(data: bytes) -> str | None:
    """Say what a binary file looks like, or None for what may be text."""
    for opening, what in _MAGIC:
        if data.startswith(opening):
            return what
    if b"\0" not in data:
        return None
    if data.startswith(b"MZ"):
        return "a Windows program"
    if data[128:132] == b"DICM":
        return "a DICOM image"
    if data.startswith(codecs.BOM_UTF32_BE) or _every_second_byte_is_null(data[:65_536]):
        return "text in UTF-16 or UTF-32 without the mark that says so"
    return "a binary file (it holds NUL bytes)"


def _every_second_byte_is_null(data: bytes) -> bool:
    """Say whether the bytes are as UTF-16 writes Latin letters."""
    few, many = sorted((data[::2].count(0), data[1::2].count(0)))
    return many > len(data) // 4 and few * 10 < many


def not_utf8(data: bytes) -> BadInput:
    """Return the error for bytes that are not UTF-8, with the place of the first bad one."""
    position, line = first_bad_byte(data)
    return BadInput(
        f"The file is not UTF-8: byte {position:,} (line {line:,}) cannot be read. Nothing was "
        "guessed, so that no letter or unit is silently wrong. Save it as UTF-8 (in Notepad: "
        "File, Save as, Encoding: UTF-8; in Excel: CSV UTF-8) and try again."
    )


def first_bad_byte(data: bytes) -> tuple[int, int]:
    """Return offset (from 0) and line (from 1) of the first byte that is not UTF-8.

    Raises ValueError where all of it is UTF-8.
    """
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start, len(re.findall(rb"\r\n|\r|\n", data[: error.start])) + 1
    raise ValueError("all bytes are UTF-8")


def _utf16(data: bytes) -> str:
    if data.startswith(codecs.BOM_UTF32_LE):
        raise BadInput("This file is UTF-32. Save it as UTF-8 and try again.")
    try:
        text = data.decode("utf-16")
    except UnicodeDecodeError as error:
        raise BadInput(
            f"The file says it is UTF-16, but byte {error.start:,} cannot be read. "
            "It may be cut off. Save it again as UTF-8 and try again."
        ) from None
    if "\0" in text:
        raise BadInput("This is not a text file; it looks like a binary file.")
    return text
