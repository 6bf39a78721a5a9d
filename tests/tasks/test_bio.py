"""Spans to BIO and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.base import Span
from tasks.bio import from_bio, join_tokens, to_bio
from tasks.text import tokens

WORDS = st.lists(st.text(alphabet="aé🙂-.\t\u0301", min_size=1, max_size=4), max_size=12)
TAG = st.sampled_from(["O", "B-D", "I-D", "B-C", "I-C"])


@given(words=WORDS, data=st.data())
def test_round_trip_over_given_tokens(words, data):
    text, offsets = join_tokens(words)
    tags = data.draw(st.lists(TAG, min_size=len(words), max_size=len(words)))
    spans = from_bio(tags, offsets, text)
    again = to_bio(spans, offsets)
    assert again.left_out == ()
    assert from_bio(again.tags, offsets, text) == spans
    assert [tag[2:] for tag in again.tags] == [tag[2:] for tag in tags]


@given(text=st.text(alphabet="ab 1.é\u0301🙂\r\n\t-"), data=st.data())
def test_round_trip_over_raw_text(text, data):
    offsets = tokens(text)
    tags = data.draw(st.lists(TAG, min_size=len(offsets), max_size=len(offsets)))
    spans = from_bio(tags, offsets, text)
    assert all(text[span.start : span.end] == span.text for span in spans)
    assert from_bio(to_bio(spans, offsets).tags, offsets, text) == spans


@given(words=WORDS, data=st.data())
def test_every_span_is_tagged_or_reported(words, data):
    text, offsets = join_tokens(words)
    edges = st.integers(0, len(text))
    pairs = data.draw(st.lists(st.tuples(edges, edges).map(sorted), max_size=6))
    spans = [Span(a, b, "D", text[a:b]) for a, b in pairs]
    tagged = to_bio(spans, offsets)
    marked = sum(tag.startswith("B-") for tag in tagged.tags)
    assert len(tagged.tags) == len(words) and marked + len(tagged.left_out) == len(spans)


def test_join_tokens_gives_offsets():
    text, offsets = join_tokens(["BRCA1", "-", "linked"])
    assert text == "BRCA1 - linked"
    assert [text[a:b] for a, b in offsets] == ["BRCA1", "-", "linked"]


def test_the_longest_of_overlapping_spans_is_kept():
    text, offsets = join_tokens(["acute", "renal", "failure"])
    whole, part = Span(0, 19, "D", text), Span(6, 11, "Site", "renal")
    tagged = to_bio([part, whole], offsets)
    assert tagged.tags == ("B-D", "I-D", "I-D") and tagged.left_out == (part,)


def test_adjacent_spans_stay_apart_and_a_bare_tag_takes_the_label():
    text, offsets = join_tokens(["a", "b", "c"])
    assert [s.text for s in from_bio(["B", "B", "I"], offsets, text, "D")] == ["a", "b c"]
    assert [s.label for s in from_bio(["I", "O", "B"], offsets, text, "D")] == ["D", "D"]


def test_wrong_tags_are_refused():
    with pytest.raises(ValueError, match="2 tags for 1 tokens"):
        from_bio(["O", "O"], [(0, 1)], "a")
    with pytest.raises(ValueError, match="none of B, I and O"):
        from_bio(["X-D"], [(0, 1)], "a")
