"""Sentences and tokens: every character accounted for, whatever the text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.text import sentences, tokens

NOTE_CHARS = st.one_of(
    st.text(),
    st.text(alphabet="aAbZ1.9 ,:;!?-()[]'\"\t\n\r•é\u0301🙂👩\u200d⚕️🇬🇧β\u00a0\x1c"),
)


def pieces(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


def words(text: str) -> list[str]:
    return [text[start:end] for start, end in tokens(text)]


@pytest.mark.parametrize("cut", [sentences, tokens])
@given(text=NOTE_CHARS)
def test_covers_every_visible_character_in_order(cut, text):
    spans = cut(text)
    covered = [False] * len(text)
    last = 0
    for start, end in spans:
        assert last <= start < end <= len(text)
        assert not text[start].isspace() and text[start:end].strip()
        covered[start:end] = [True] * (end - start)
        last = end
    assert all(seen or char.isspace() for seen, char in zip(covered, text, strict=True))


@given(NOTE_CHARS)
def test_tokens_hold_no_white_space(text):
    for word in words(text):
        assert word == word.strip()


def test_abbreviations_and_decimals_do_not_end_a_sentence():
    text = "Seen by Dr. Jones vs. Prof. Lee. Took 1.5 mg p.o. q.d. as before. He improved."
    assert pieces(text) == [
        "Seen by Dr. Jones vs. Prof. Lee.",
        "Took 1.5 mg p.o. q.d. as before.",
        "He improved.",
    ]


def test_a_dose_abbreviation_ends_a_sentence_before_a_usual_opening():
    assert pieces("Lasix 40 mg p.o. The patient agreed.") == [
        "Lasix 40 mg p.o.",
        "The patient agreed.",
    ]
    assert pieces("Hepatitis B. The liver was firm.") == ["Hepatitis B.", "The liver was firm."]


def test_headings_and_list_items_stand_alone():
    text = "MEDICATIONS:\r\n1. Aspirin 81 mg daily\r\n2. Metoprolol 25 mg\r\n- no ibuprofen\r\n"
    assert pieces(text) == [
        "MEDICATIONS:",
        "1. Aspirin 81 mg daily",
        "2. Metoprolol 25 mg",
        "- no ibuprofen",
    ]


def test_a_wrapped_line_runs_on_and_a_short_one_does_not():
    wrapped = "The patient was admitted through the emergency department to the\nMICU for sepsis."
    assert pieces(wrapped) == [wrapped]
    assert pieces("metoprolol 25 mg\nlisinopril 10 mg") == ["metoprolol 25 mg", "lisinopril 10 mg"]
    assert len(pieces(wrapped.replace("\n", "\n\n"))) == 2


def test_exclamations_emoji_and_closing_quotes():
    assert pieces('He said "no." Then left! 🙂 Fine?') == [
        'He said "no."',
        "Then left!",
        "🙂 Fine?",
    ]


def test_tokens_keep_decimals_marks_and_emoji_whole():
    assert words("IL-2 1.5mg cafe\u0301\t👩\u200d⚕️ 10,000 🇬🇧!") == [
        "IL", "-", "2", "1.5", "mg", "cafe\u0301", "👩\u200d⚕️", "10,000", "🇬🇧", "!",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "unit",
    ["x", ".", ". ", "a.\t", "Mr. ", "1,", ".)", "'", "A:", "\n", " ", "\u0301", "🇬🇧", "👩\u200d"],
)
def test_a_line_of_200_000_characters_comes_back(unit):
    """Anything worse than linear would run into the suite's time limit."""
    text = unit * (200_000 // len(unit))
    visible = "".join(text.split())
    assert "".join("".join(pieces(text)).split()) == visible
    assert "".join(words(text)) == visible
