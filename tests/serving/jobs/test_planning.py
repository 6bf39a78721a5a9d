from hypothesis import given
from hypothesis import strategies as st

from serving.jobs.planning import NoteTokens, plan
from serving.notes import Note


def _note(number: int, category: str, tokens: int) -> NoteTokens:
    return NoteTokens(Note(f"n{number}", category, f"2025-03-0{number}T10:00:00", "text"), tokens)


def test_everything_that_fits_is_used_whole_and_in_order() -> None:
    notes = [_note(1, "Nursing", 10), _note(2, "Physician", 20)]
    chosen = plan(notes, budget=30)
    assert list(chosen.used) == notes
    assert chosen.left_out == ()
    assert "nothing left out" in chosen.explain()


def test_telling_notes_come_first_and_what_is_left_out_is_named() -> None:
    notes = [_note(1, "Nursing", 60), _note(2, "Physician", 60), _note(3, "Nursing", 20)]
    chosen = plan(notes, budget=80)
    assert [n.note.note_id for n in chosen.used] == ["n2", "n3"]
    assert "LEFT OUT" in chosen.explain()
    assert "Nursing 2025-03-01 10:00 (60 tokens)" in chosen.explain()


def test_among_equals_the_newest_stays() -> None:
    notes = [_note(1, "Physician", 50), _note(2, "Physician", 50)]
    assert [n.note.note_id for n in plan(notes, budget=60).used] == ["n2"]


@given(
    st.lists(st.tuples(st.sampled_from(["Nursing", "Physician", "", "Odd"]), st.integers(0, 500))),
    st.integers(0, 2000),
)
def test_no_note_is_lost_and_the_budget_holds(kinds: list[tuple[str, int]], budget: int) -> None:
    notes = [_note(1, category, tokens) for category, tokens in kinds]
    chosen = plan(notes, budget)
    assert len(chosen.used) + len(chosen.left_out) == len(notes)
    assert chosen.tokens <= budget
