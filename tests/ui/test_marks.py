"""Whatever comes from notes or models is text on the page, whoever wrote it."""

from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from serving.evidence import Quote, Support
from serving.jobs.ask_events import AskAnswer, Sentence
from serving.jobs.draft_job import SectionState
from serving.jobs.planning import NoteTokens, Plan
from serving.jobs.tagging import TagResult
from serving.notes import Admission, Note
from serving.retrieval.collections import Entry, Passage
from serving.retrieval.scopes import REFERENCE
from tasks.base import Relation, Span
from ui import ask_marks, draft_marks, marks, tag_marks

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&</pre></textarea>"


class Elements(HTMLParser):
    """Notes every element, attribute name and text of a piece of HTML."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def passage(text: str = EVIL) -> Passage:
    return Passage(EVIL, EVIL, text, 0, len(text), 0.9, REFERENCE, heading=EVIL + ".")


def evil_answer(refused: bool = False) -> AskAnswer:
    support = Support(0, len(EVIL), EVIL, (1,), 0.9, Quote(1, 3, 12))
    return AskAnswer(
        EVIL,
        sentences=(Sentence(0, len(EVIL), (1,), support),),
        passages=(passage(),),
        refused=refused,
        reason=EVIL,
        remarks=(EVIL,),
    )


NOTE = Note(EVIL, EVIL, EVIL, EVIL)
SPAN = Span(0, len(EVIL), EVIL, EVIL)
BUILDERS: dict[str, Callable[[], Markup]] = {
    "problem": lambda: marks.problem(EVIL),
    "aside": lambda: marks.aside(EVIL),
    "warnings": lambda: marks.warnings([EVIL]),
    "table": lambda: marks.table([EVIL], [[EVIL]], EVIL),
    "picks": lambda: draft_marks.picks([(EVIL, EVIL, EVIL)], ""),
    "chosen": lambda: draft_marks.chosen(Admission(EVIL, title=EVIL, facts={EVIL: EVIL})),
    "note list": lambda: draft_marks.note_list([NOTE], [NoteTokens(NOTE, 3)]),
    "reader": lambda: draft_marks.reader(NOTE),
    "plan": lambda: draft_marks.plan_line(Plan((), (NoteTokens(NOTE, 3),), 1)),
    "section": lambda: draft_marks.section_head(EVIL, SectionState("failed", EVIL, error=EVIL)),
    "tags": lambda: tag_marks.tagged(
        TagResult(EVIL, EVIL, (SPAN,), (Relation(SPAN, SPAN, EVIL),), 1, 1, None)
    ),
    "question": lambda: ask_marks.question(EVIL),
    "writing": lambda: ask_marks.writing(EVIL),
    "answer": lambda: ask_marks.answer(evil_answer(), "t"),
    "refusal": lambda: ask_marks.answer(evil_answer(refused=True), "t"),
    "documents": lambda: ask_marks.documents([Entry(EVIL, EVIL, 1, 1)]),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_markup_in_patient_text_stays_text(name: str) -> None:
    found = Elements(str(BUILDERS[name]()))
    assert not found.tags & {"script", "img", "textarea"}
    assert not any(attribute.startswith("on") for attribute in found.attributes)
    assert "alert(1)" in found.text


@given(st.text(), st.data())
def test_tagged_text_holds_every_character_of_the_text(text: str, data: st.DataObject) -> None:
    offsets = st.integers(0, len(text))
    pairs = data.draw(st.lists(st.tuples(offsets, offsets), max_size=6))
    spans = [Span(a, b, "L", text[a:b]) for a, b in pairs if a < b]
    shown = Elements(str(tag_marks.spans_in(text, spans)).replace("<sub>L</sub>", "")).text
    # The parser, like a browser, reads CR LF as LF.
    assert shown.replace("\r\n", "\n") == text.replace("\r\n", "\n")


def test_overlapping_spans_are_all_marked() -> None:
    text = "acute heart failure"
    spans = [Span(0, 19, "problem", text), Span(6, 11, "organ", "heart")]
    html = str(tag_marks.spans_in(text, spans))
    assert html.count('title="problem"') == 3
    assert html.count('title="organ"') == 1
    assert html.count("<sub>problem</sub>") == html.count("<sub>organ</sub>") == 1


@pytest.mark.parametrize(
    ("dropped", "says"),
    [
        (1, "1 name that the text does not hold was dropped."),
        (3, "3 names that the text does not hold were dropped."),
    ],
)
def test_dropped_names_are_told(dropped: int, says: str) -> None:
    result = TagResult("ner-disease", "text", (), (), dropped, 0, None)
    assert says in Elements(str(tag_marks.tagged(result))).text


def test_citations_open_their_passages() -> None:
    text = "Weigh daily [1]. Nothing backs this [7]."
    backed = Sentence(0, 16, (1,), Support(0, 16, text[:16], (1,), 1.0, Quote(1, 0, 5)))
    bare = Sentence(17, 40, (7,), Support(17, 40, text[17:]))
    done = AskAnswer(text, sentences=(backed, bare), passages=(passage("Weigh yourself daily"),))
    html = str(ask_marks.answer(done, "abc"))
    assert 'data-cite="passage-abc-1"' in html
    assert 'id="passage-abc-1"' in html
    assert "<mark>Weigh</mark> yourself daily" in html
    assert "passage-abc-7" not in html  # there is no such passage to open
    assert html.count("no source found") == 1


def test_where_nothing_is_backed_the_nearest_places_are_quoted() -> None:
    done = AskAnswer(
        "The sources do not answer this.",
        passages=(passage("Salt is bad. <b>Weigh</b> yourself daily."),),
        refused=True,
        nearest=(Quote(1, 13, 41),),
    )
    html = str(ask_marks.answer(done, "abc"))
    assert "Nearest places in the sources" in html
    assert "“&lt;b&gt;Weigh&lt;/b&gt; yourself daily.” <a" in html
    assert "<mark>&lt;b&gt;Weigh" in html
    backed = Sentence(0, 4, (), Support(0, 4, "Salt", (1,), 1.0, Quote(1, 0, 4)))
    answered = replace(done, sentences=(backed,), refused=False)
    assert "Nearest places" not in str(ask_marks.answer(answered, "abc"))


def test_a_section_tells_its_place_in_line() -> None:
    head = Elements(str(draft_marks.section_head("Diagnoses", SectionState("queued", place=4))))
    assert "number 4 in line" in head.text


@pytest.mark.parametrize(
    ("iso", "short", "long"),
    [
        ("2025-01-14T10:29:00", "14 Jan 10:29", "14 Jan 2025, 10:29"),
        ("2025-01-14", "14 Jan", "14 Jan 2025"),
        ("", "", ""),
        ("some time", "some time", "some time"),
    ],
)
def test_times(iso: str, short: str, long: str) -> None:
    assert marks.day_time(iso) == short
    assert marks.long_time(iso) == long
