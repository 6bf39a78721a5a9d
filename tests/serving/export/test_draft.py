"""Drafts as files: everything said is shown, nothing in it becomes markup."""

import io
import zipfile
from html.parser import HTMLParser

import docx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from serving.export import DraftDocument, DraftSection, ModelUsed, to_docx, to_markdown, to_text
from serving.export.draft import SYNTHETIC
from serving.intake import demo
from serving.notice import MODEST, NOTICE
from tasks.discharge import SECTIONS

PATIENT = "Mrs Winterbourne"
HOSTILE = [
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "# BP 120/80",
    "title\n=====\nnext\n---",
    "    indented code",
    "```\nfence\n```",
    "~~~\nfence\n~~~",
    "[link](javascript:alert(1)) ![x](http://e/x.png) <http://e>",
    "*a* _b_ **c** `d` ~~e~~ &lt;b&gt; &amp; \\* \\",
    "> quote\n1. one\n2) two\n+ plus\n- \n-5 mmHg\n* * *\n___",
    "a | b\n--|--\n1 | 2",
    "[ref]: http://e\n\n[ref]",
    "trailing two  \nspaces\\\nand backslash",
    "<script\nalert(1)",
    "<!-- hidden",
    "<div\nonclick=x",
    "under\n====",
    "1) one",
    "7. seven",
    "http://e.example www.example.org",
]


def document(text: str, section: str = "hospital_course", **fields) -> DraftDocument:
    return DraftDocument("h1", (DraftSection(section, "Hospital course", text),), **fields)


def real() -> DraftDocument:
    admission = demo.get("demo-01")
    reference = demo.reference("demo-01")
    return DraftDocument(
        hadm_id=admission.hadm_id,
        sections=tuple(DraftSection(s.id, s.title, reference[s.id]) for s in SECTIONS),
        facts=admission.facts,
        status="signed",
        version=3,
        author="Dr A",
        saved_at="2026-11-20T05:00:00+00:00",
        signed_by="Dr B",
        signed_at="2026-11-20T06:00:00+00:00",
        models=(ModelUsed("smollm2-135m-instruct", "a" * 64, "b" * 64, "c" * 64),),
        modest=True,
        synthetic=True,
    )


class Words(HTMLParser):
    """The text of an HTML page and the tags it is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.text += "\n" if tag == "br" else ""

    def handle_data(self, data):
        self.text += data


def rendered(markdown: str, dialect: str = "commonmark") -> Words:
    words = Words()
    words.feed(MarkdownIt(dialect, {"html": True}).render(markdown))
    words.close()
    return words


FRAME = rendered(to_markdown(document("x"))).tags
FRAME.remove("p")  # the one around the x


@pytest.mark.parametrize("dialect", ["commonmark", "js-default"])
@pytest.mark.parametrize("text", HOSTILE)
def test_markup_in_a_section_stays_text(text, dialect):
    page = rendered(to_markdown(document(text)), dialect)
    extra = list(page.tags)
    for tag in FRAME:
        extra.remove(tag)
    assert set(extra) <= {"p", "br", "ul", "li"}
    body = page.text.split("Hospital course")[1].split("Status:")[0]
    shown = "".join(body.split())
    bare = [line.strip().removeprefix("+ ") for line in text.splitlines()]
    for line in bare:
        words = line.removeprefix("- ").removeprefix("* ")
        assert "".join(words.split()) in shown


@given(st.text(alphabet="#=-+*_`~<>&|[]()!\\:. \n\tab1$w/"))
def test_no_text_makes_headings_html_links_or_code(text):
    page = rendered(to_markdown(document(text)), "js-default")
    extra = list(page.tags)
    for tag in FRAME:
        extra.remove(tag)
    assert set(extra) <= {"p", "br", "ul", "li"}


@given(st.text(alphabet="#=+_`~<>&|[]()!\\:. \tab1$é🙂", min_size=1))
def test_markdown_shows_a_line_exactly(line):
    page = rendered(to_markdown(document(line)))
    body = page.text.split("Hospital course")[1].split("Status:")[0]
    expected = line.strip() or "(nothing written)"
    assert "".join(body.split()) == "".join(expected.split())


def docx_text(data: bytes) -> list[tuple[str, str]]:
    return [(p.style.name, p.text) for p in docx.Document(io.BytesIO(data)).paragraphs]


def test_every_form_says_everything():
    doc = real()
    forms = {
        "markdown": rendered(to_markdown(doc)).text,
        "text": to_text(doc),
        "docx": "\n".join(text for _, text in docx_text(to_docx(doc))),
    }
    said = [NOTICE, MODEST, SYNTHETIC, "demo-01", "Dr A", "Dr B", "version 3", "signed"]
    said += ["smollm2-135m-instruct", "a" * 64, "b" * 64, "c" * 64, "2026-11-20T06:00:00+00:00"]
    said += [*doc.facts.values()]
    for name, form in forms.items():
        for words in said:
            assert words in form, (name, words)
        places = [form.lower().index(f"\n{s.title.lower()}") for s in doc.sections]
        assert places == sorted(places), name
        squeezed = "".join(form.split())
        for section in doc.sections:
            for line in section.text.splitlines():
                assert "".join(line.strip().removeprefix("- ").split()) in squeezed, name


@pytest.mark.parametrize("write", [to_markdown, to_text])
def test_the_modest_line_is_for_the_default_model_alone(write):
    assert "135 million" not in write(document("x"))
    assert "135 million" in write(document("x", modest=True))
    assert SYNTHETIC not in write(document("x"))


@pytest.mark.parametrize("write", [to_markdown, to_text, lambda d: str(docx_text(to_docx(d)))])
def test_an_empty_section_is_shown_as_such(write):
    assert "nothing written" in write(document(" \n"))


def test_text_keeps_the_lines():
    assert "\n  - aspirin 75 mg\n\n    daily\n" in to_text(
        document("  - aspirin 75 mg\r\n\r\n    daily")
    )


def test_docx_has_headings_lists_notice_and_page_numbers():
    text = "Summary of changes\naspirin 75 mg daily (new)\n- ramipril (stopped)"
    data = to_docx(document(text, "medications"))
    found = docx_text(data)
    assert ("Heading 1", "Discharge summary (draft)") in found
    assert ("Heading 2", "Hospital course") in found
    items = [words for style, words in found if style == "List Bullet"]
    assert items == ["Summary of changes", "aspirin 75 mg daily (new)", "ramipril (stopped)"]
    page = docx.Document(io.BytesIO(data)).sections[0]
    assert page.header.paragraphs[0].text == NOTICE
    foot = page.footer._element.xml
    assert 'w:instr="PAGE"' in foot
    assert 'w:instr="NUMPAGES"' in foot


def test_docx_lists_only_bulleted_lines_elsewhere():
    found = docx_text(to_docx(document("Came in.\n• one\n• two\n\nWent home.\nWell.")))
    body = [f for f in found if f[1] in {"Came in.", "one", "two", "Went home.\nWell."}]
    assert [style for style, _ in body] == ["Normal", "List Bullet", "List Bullet", "Normal"]


def test_docx_metadata_hold_nothing_of_the_patient():
    doc = document(PATIENT, facts={"age": "74"}, author="Dr A", saved_at="2026-11-20")
    with zipfile.ZipFile(io.BytesIO(to_docx(doc))) as archive:
        core = archive.read("docProps/core.xml").decode()
        names = archive.namelist()
        for name in names:
            if not name.startswith("word/"):
                content = archive.read(name)
                assert PATIENT.encode() not in content
                assert b"h1" not in content or name.endswith(".jpeg")
    assert NOTICE in core
    assert "python-docx" not in core


@given(st.text(alphabet=st.characters(), max_size=40))
def test_no_text_breaks_docx_and_what_cannot_be_held_is_visible(text):
    data = to_docx(document(text, "medications", author=text, facts={text: text}))
    body = "".join("".join(words.split()) for _, words in docx_text(data))
    for c in text:
        if c.isprintable() and not c.isspace() and c not in "-*•·–":
            assert c in body


@pytest.mark.parametrize("bad", ["\0", "\x08", "\x1b[31m", "\ud83d", "\ufffe"])
def test_control_characters_are_replaced_visibly(bad):
    doc = document(f"before{bad}after")
    for form in (to_markdown(doc), to_text(doc), str(docx_text(to_docx(doc)))):
        assert "before\ufffd" in form
        assert bad[0] not in form
        form.encode()
