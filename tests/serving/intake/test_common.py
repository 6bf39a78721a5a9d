"""What every form of input has in common: order, ids, times, blank notes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import BadInput
from serving.intake.common import is_discharge_summary, iso_time, summarize, tidy, unique_names
from serving.notes import Admission, Note


def stay(*notes: Note) -> Admission:
    return Admission("1", notes=notes)


def note(note_id: str, when: str = "", text: str = "x", category: str = "Nursing") -> Note:
    return Note(note_id, category, when, text)


def test_orders_by_time_with_unknown_last_and_ties_as_given():
    given_order = [
        note("late", "2025-03-03T01:00:00"),
        note("unknown-a"),
        note("day", "2025-03-02"),
        note("tie-a", "2025-03-02 09:00"),
        note("tie-b", "2025-03-02T09:00:00"),
        note("zoned", "2025-03-02T10:00:00+02:00"),
        note("unknown-b"),
    ]
    admission, warnings = tidy(stay(*given_order))
    ids = [n.note_id for n in admission.notes]
    assert ids == ["day", "zoned", "tie-a", "tie-b", "late", "unknown-a", "unknown-b"]
    assert warnings == []


def test_repeated_and_missing_ids_are_made_unique_visibly():
    admission, warnings = tidy(stay(note("n"), note("n"), note(" "), note("n-dup2"), note("m")))
    ids = [n.note_id for n in admission.notes]
    assert ids == ["n", "n-dup2", "note-3", "n-dup2-dup2", "m"]
    assert any("3 notes" in text and "repeated" in text for text in warnings)


@given(st.lists(st.sampled_from(["a", "a-dup2", "b", "a-dup2-dup2"])))
def test_unique_names_are_unique_and_as_many(names):
    result = unique_names(names)
    assert len(result) == len(set(result)) == len(names)
    assert all(new.startswith(old) for old, new in zip(names, result, strict=True))


def test_blank_notes_are_left_out_and_reported():
    admission, warnings = tidy(stay(note("a", text=" \r\n\t"), note("b", text="kept")))
    assert [n.note_id for n in admission.notes] == ["b"]
    assert warnings == ["1 note without any text left out."]


@pytest.mark.parametrize("notes", [(), (note("a", text=" \n"),)])
def test_an_admission_without_notes_is_refused(notes):
    with pytest.raises(BadInput, match="no notes with text"):
        tidy(stay(*notes))


@pytest.mark.parametrize("bad", ["secret\0", "secret\ud83d"])
def test_what_is_not_text_is_refused_without_showing_it(bad):
    with pytest.raises(BadInput, match="not text") as caught:
        tidy(stay(note("a", text=bad)))
    assert "secret" not in str(caught.value)


def test_a_time_that_is_not_iso_is_reported_not_guessed():
    admission, warnings = tidy(stay(note("us", "03/02/2025"), note("iso", "2025-03-02 14:10")))
    assert [(n.note_id, n.charted_at) for n in admission.notes] == [
        ("iso", "2025-03-02T14:10:00"),
        ("us", ""),
    ]
    assert any("not ISO 8601" in text for text in warnings)


@pytest.mark.parametrize(
    ("value", "iso"),
    [
        ("2101-10-20", "2101-10-20"),
        ("2101-10-20 00:00:00", "2101-10-20"),
        ("2101-10-20 14:10:00", "2101-10-20T14:10:00"),
        ("2101-10-20T14:10Z", "2101-10-20T14:10:00+00:00"),
        ("2101-13-40", ""),
        ("yesterday", ""),
        ("", ""),
    ],
)
def test_times_become_iso(value, iso):
    assert iso_time(value) == iso


@given(st.text(min_size=1).filter(lambda t: t.strip() and "\0" not in t))
def test_not_a_character_of_a_text_is_changed(text):
    admission, _ = tidy(stay(note("a", text=text)))
    assert admission.notes[0].text == text


@pytest.mark.parametrize(
    ("category", "expected"),
    [
        ("Discharge summary", True),
        (" DISCHARGE  SUMMARY ", True),
        ("Physician Discharge summary", True),
        ("DS", True),
        ("Nursing", False),
        ("Case Management", False),
        ("", False),
    ],
)
def test_discharge_summaries_are_known_by_category(category, expected):
    assert is_discharge_summary(note("a", category=category)) is expected


def test_a_summary_counts_notes_and_words():
    admission, _ = tidy(stay(note("a", "2025-01-02", "two words"), note("b", "", "one")))
    summary = summarize(admission)
    assert (summary.notes, summary.words, summary.first, summary.last) == (
        2,
        3,
        "2025-01-02",
        "2025-01-02",
    )
