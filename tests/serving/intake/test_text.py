"""A .txt upload: bytes become text, or the user is told what they are."""

import codecs
import io
import zipfile

import docx
import pytest

from serving.errors import BadInput
from serving.intake import read
from serving.intake.text import decode, first_bad_byte

TEXT = "T 38.4 °C, µg – “ok” 🙂\r\nline two\n"


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        TEXT.encode("utf-16"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
    ],
)
def test_utf8_and_marked_utf16_give_the_same_text(data):
    (admission,) = read(data, "note.txt").admissions
    assert admission.notes[0].text == TEXT


def test_not_utf8_names_byte_and_line_and_the_way_out():
    data = "one\r\ntwo 38.4 °C".encode("latin-1")
    with pytest.raises(BadInput, match=r"byte 14 \(line 2\).*Save it as UTF-8") as caught:
        read(data, "note.txt")
    assert "38.4" not in str(caught.value)
    assert first_bad_byte(data) == (14, 2)


def _docx() -> bytes:
    out = io.BytesIO()
    docx.Document().save(out)
    return out.getvalue()


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", "x")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF"),
        (_zip(), "ZIP"),
        (_docx(), "Office document"),
        (b"\x89PNG\r\n\x1a\n\0\0", "PNG"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "JPEG"),
        (b"MZ\x90\0\x03\0", "Windows program"),
        (b"\x7fELF\x02\x01", "a program"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (b"{\\rtf1\\ansi hello}", "rich text"),
        (b"abc" + b"\0" * 3, "NUL"),
        ("note".encode("utf-16-le"), "UTF-16"),
        (b"\0" * 128 + b"DICM", "DICOM"),
    ],
)
def test_a_binary_file_named_txt_is_told_what_it_is(data, what):
    with pytest.raises(BadInput, match=what):
        read(data, "note.txt")


@pytest.mark.parametrize("data", ["ab".encode("utf-16")[:-1], "ab".encode("utf-32")])
def test_broken_utf16_and_utf32_are_refused(data):
    with pytest.raises(BadInput, match="UTF-8"):
        decode(data)


def test_a_line_of_200_000_characters_is_accepted():
    line = "stable " * 30_000
    (admission,) = read(line.encode(), "note.txt").admissions
    assert admission.notes[0].text == line


@pytest.mark.parametrize("data", [b"", b" \n\t ", codecs.BOM_UTF8])
def test_an_empty_file_is_refused(data):
    with pytest.raises(BadInput, match=r"empty|no text"):
        read(data, "note.txt")
