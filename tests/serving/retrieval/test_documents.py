import pytest

from serving.errors import BadInput, TooLong
from serving.notes import Note
from serving.retrieval.documents import MAX_CHARS, from_note, read_document
from tests.serving.retrieval.pdfs import locked, pdf

PAGE = b"""<!DOCTYPE html><html><head><title>Ward  guide</title>
<style>p { color: red }</style></head><body onload="steal()">
<nav>Home | About</nav><h1>Fluids</h1><p>Give   250 mL
<b>slowly</b>.</p><script>fetch("/secret")</script><!-- hidden words -->
<ul><li>check lungs</li><li>check urine</li></ul>
<h2>Stop</h2><img src=x onerror="alert(1)"><p>Stop at oedema.<br>Call.</p>
<template>unused</template></body></html>"""


def test_plain_text_keeps_its_words_and_takes_its_name_as_title() -> None:
    document = read_document("ward.txt", "Na⁺ 138\r\nK⁺ 4,1".encode())
    assert document.text == "Na⁺ 138\nK⁺ 4,1"
    assert document.title == "ward.txt"
    assert [(s.start, s.end) for s in document.sections] == [(0, len(document.text))]


def test_markdown_headings_make_sections_that_cover_the_text() -> None:
    text = "intro\n# Falls\nlook\n```\n# not a heading\n```\n## Bones #\nscan\n"
    document = read_document("notes.txt", text.encode())
    assert [s.heading for s in document.sections] == ["", "Falls", "Bones"]
    assert "".join(text[s.start : s.end] for s in document.sections) == text
    assert document.title == "Falls"


def test_html_is_told_by_content_and_loses_what_runs() -> None:
    document = read_document("page.txt", PAGE)
    assert document.title == "Ward guide"
    assert "Give 250 mL slowly." in document.text
    assert "\n- check lungs\n" in document.text
    assert "Stop at oedema.\nCall." in document.text
    assert [s.heading for s in document.sections] == ["Fluids", "Stop"]
    for gone in ("fetch", "steal", "alert", "hidden", "color", "About", "unused", "<"):
        assert gone not in document.text


def test_a_file_named_html_may_be_plain_text() -> None:
    assert read_document("x.html", b"BP < 90 and HR > 100").text == "BP < 90 and HR > 100"


def test_pdf_pages_are_sections() -> None:
    document = read_document("any.txt", pdf("Apixaban 5 mg twice daily", "Stop aspirin"))
    assert [s.page for s in document.sections] == [1, 2]
    second = document.sections[1]
    assert document.text[second.start : second.end].strip() == "Stop aspirin"
    assert document.remarks == ()


def test_pdf_says_which_pages_have_no_text() -> None:
    document = read_document("scan.pdf", pdf("words", "", "words"))
    assert document.remarks == ("No text on page 2: pictures are not read.",)


def test_pdf_with_only_an_owner_password_is_read() -> None:
    assert "Stop aspirin" in read_document("a.pdf", locked(pdf("Stop aspirin"), "")).text


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (pdf("", ""), "OCR"),
        (locked(pdf("secret words"), "hunter2"), "password"),
        (pdf("some words")[:120], "broken"),
        (b"%PDF-1.7\n garbage", "broken"),
        (b"", "no text"),
        (b" \n\t ", "no text"),
        (b"<html><script>only()</script></html>", "no text"),
        (b"caf\xe9 au lait", "UTF-8"),
        (b"PK\x03\x04" + b"\0" * 40, "Office document"),
        (b"\x00\x01\x02\x03 words", "binary"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_do(data: bytes, says: str) -> None:
    with pytest.raises(BadInput, match=says) as caught:
        read_document("Mr Miller.pdf", data)
    assert "Miller" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_document_beyond_the_limit_is_refused() -> None:
    with pytest.raises(TooLong, match="Split it"):
        read_document("long.txt", b"word " * (MAX_CHARS // 5 + 1))


def test_the_id_follows_the_content_not_the_name() -> None:
    one, same, other = (
        read_document(name, data) for name, data in [("a", b"x y"), ("b", b"x y"), ("a", b"x z")]
    )
    assert one.id == same.id != other.id


def test_a_note_keeps_its_text_to_the_character() -> None:
    text = "S:\tpain \r\n\r\nO: 🫀 ok"
    document = from_note(Note("n1", "Nursing", "2025-03-02T14:10:00", text))
    assert document.text == text
    assert document.note_id == "n1"
    assert document.title == "Nursing · 2025-03-02T14:10:00"
    assert "pain" not in repr(document)
