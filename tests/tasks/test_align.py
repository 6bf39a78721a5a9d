"""What a model names is found in the text, or dropped and counted."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.align import align
from tasks.base import Span

TEXTS = st.text(alphabet="aAbBİßsSéÉe\u0301µμ \t\r\n-.,🙂👩\u200dﬁ½中", max_size=60)


def places(text, *named):
    return [(s.start, s.end) for s in align(text, [("D", name) for name in named]).spans]


@given(text=TEXTS, names=st.lists(TEXTS, max_size=6))
def test_spans_are_slices_of_the_source_and_nothing_is_given_twice(text, names):
    found = align(text, [("D", name) for name in names])
    assert len(found.spans) + found.dropped == len(names)
    assert len({(s.start, s.end) for s in found.spans}) == len(found.spans)
    for span in found.spans:
        assert span.text == text[span.start : span.end] and span.text


@given(text=TEXTS, data=st.data())
def test_what_the_text_holds_is_found(text, data):
    start = data.draw(st.integers(0, len(text)))
    name = text[start : data.draw(st.integers(start, len(text)))].strip()
    marks = [unicodedata.category(c)[0] == "M" for c in text + " "]
    end = text.find(name, start) + len(name)
    if name and not marks[text.find(name, start)] and not marks[end]:
        assert align(text, [("D", name)]).dropped == 0


@given(st.lists(st.sampled_from(["cancer", "breast cancer", "flu"]), max_size=8))
def test_names_in_order_come_back_where_they_stand(names):
    text = " of ".join(names)
    spans, start = [], 0
    for name in names:
        spans.append(Span(start, start + len(name), "D", name))
        start += len(name) + 4
    assert align(text, [("D", name) for name in names]).spans == tuple(spans)


def test_what_the_text_does_not_hold_is_dropped_and_counted():
    found = align("no disease here", [("D", "flu"), ("D", ""), ("D", "disease"), ("D", "disease")])
    assert [span.text for span in found.spans] == ["disease"] and found.dropped == 3


def test_left_to_right_then_earlier():
    text = "flu, gout and flu"
    assert places(text, "gout", "flu") == [(5, 9), (14, 17)]
    assert places(text, "gout", "flu", "flu") == [(0, 3), (5, 9), (14, 17)]


def test_whole_words_come_first_and_parts_last():
    assert places("scolded, then a cold", "cold") == [(16, 20)]
    assert places("scolded, then a Cold", "cold") == [(16, 20)]
    assert places("scolded", "cold") == [(1, 5)]


def test_nested_names_are_kept_where_nothing_else_is_free():
    assert places("breast cancer", "breast cancer", "cancer") == [(0, 13), (7, 13)]
    assert places("breast cancer, cancer", "breast cancer", "cancer") == [(0, 13), (15, 21)]


def test_each_label_reads_from_the_start_and_a_place_has_one_label():
    found = align("IL-2 binds IL-2", [("protein", "IL-2"), ("DNA", "IL-2"), ("RNA", "IL-2")])
    assert [(s.start, s.label) for s in found.spans] == [(0, "protein"), (11, "DNA")]
    assert found.dropped == 1


@pytest.mark.parametrize(
    ("text", "name", "slice_"),
    [
        ("Renal\r\n  Failure.", "renal failure", "Renal\r\n  Failure"),
        ("ataxia - telangiectasia", "Ataxia-telangiectasia", "ataxia - telangiectasia"),
        ("5 µg of", "5 μg", "5 µg"),
        ("STRASSE", "straße", "STRASSE"),
        ("xİ y", "i\u0307", "İ"),
        ("cafe\u0301 au lait", "café", "cafe\u0301"),
        ("café au lait", "cafe\u0301 AU", "café au"),
        ("hyper\u00adtension", "hypertension", "hyper\u00adtension"),
        ("🙂\tflu 🙂", "FLU 🙂", "flu 🙂"),
    ],
)
def test_tolerant_of_case_white_space_and_unicode_form(text, name, slice_):
    assert [span.text for span in align(text, [("D", name)]).spans] == [slice_]


@pytest.mark.parametrize(("text", "name"), [("cafe\u0301", "cafe"), ("ß", "s"), ("½", "1")])
def test_never_cuts_a_character_in_two(text, name):
    assert align(text, [("D", name)]).spans == ()


def test_a_long_text_and_a_looping_model_are_survived():
    found = align("flu " * 50_000, [("D", "flu")] * 500 + [("D", "gout")] * 500)
    assert len(found.spans) == 500 and found.dropped == 500
