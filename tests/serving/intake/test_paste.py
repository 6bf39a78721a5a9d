"""Pasted text: one note unless the user drew a line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import BadInput
from serving.intake import read_paste


def notes(text: str):
    return read_paste(text).admissions[0].notes


def test_one_note_with_every_character_kept():
    text = "  BP 120/80\r\n\tµg – ok 🙂\r\n------\n=====\n- - -\n"
    (only,) = notes(text)
    assert (only.text, only.note_id, only.charted_at) == (text, "paste-1", "")


@pytest.mark.parametrize("text", ["", " ", "\n\r\n\t", "---", "---\n\n---\n"])
def test_nothing_is_refused(text):
    with pytest.raises(BadInput, match=r"no (text|notes)"):
        read_paste(text)


def test_hyphens_part_notes():
    intake = read_paste("first\r\n---\r\nsecond\n--- \nthird")
    assert [n.text for n in intake.admissions[0].notes] == ["first\r\n", "second\n", "third"]
    assert intake.warnings == ("Split into 3 notes at the separator lines.",)


def test_headings_give_category_and_time_and_order():
    text = (
        "=== Radiology, CT head, 2025-03-02 14:10 ===\nNo bleed.\n"
        "=== Nursing, 2025-03-01 ===\nSettled.\n=== Consult ===\nSeen."
    )
    found = [(n.category, n.charted_at, n.text) for n in notes(text)]
    assert found == [
        ("Nursing", "2025-03-01", "Settled.\n"),
        ("Radiology, CT head", "2025-03-02T14:10:00", "No bleed.\n"),
        ("Consult", "", "Seen."),
    ]


def test_a_heading_with_nothing_under_it_is_reported():
    intake = read_paste("=== Nursing ===\n\n=== Consult ===\nSeen.")
    assert [n.category for n in intake.admissions[0].notes] == ["Consult"]
    assert "1 note without any text left out." in intake.warnings


@pytest.mark.parametrize("line", ["----", "======", "===", "a --- b", " ---", "=== a = b ==="])
def test_rules_and_near_misses_do_not_part(line):
    assert len(notes(f"first\n{line}\nsecond")) == 1


@pytest.mark.timeout(20)
@pytest.mark.parametrize("line", ["=== a" + " " * 200_000, "=== " + ",2025-01-01" * 20_000])
def test_a_line_of_200_000_characters_is_accepted(line):
    (only,) = notes(line)
    assert only.text == line


@given(st.lists(st.text(alphabet="ab \n\r\t.é").filter(str.strip), min_size=1, max_size=8))
def test_nothing_between_separators_is_lost(pieces):
    found = [n.text for n in notes("\n---\n".join(pieces))]
    assert found == [f"{piece}\n" for piece in pieces[:-1]] + pieces[-1:]
