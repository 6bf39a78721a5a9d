"""The shipped synthetic admissions are what a clinician can work with."""

import pytest

from serving.errors import NotFound
from serving.intake import demo, is_discharge_summary

SECTIONS = {
    *("diagnoses", "reason_for_admission", "history", "hospital_course"),
    *("procedures_and_results", "medications", "condition_at_discharge", "follow_up"),
}


def test_there_are_at_least_six_with_eight_notes_of_different_kinds():
    found = demo.list()
    assert len(found) >= 6
    assert len({summary.hadm_id for summary in found}) == len(found)
    for summary in found:
        admission = demo.get(summary.hadm_id)
        assert summary.title
        assert len(admission.notes) >= 8
        assert len({note.category for note in admission.notes}) >= 6


@pytest.mark.parametrize("hadm_id", [summary.hadm_id for summary in demo.list()])
def test_each_is_marked_synthetic_with_facts_and_reference(hadm_id):
    admission = demo.get(hadm_id)
    assert admission.synthetic
    assert set(admission.facts) == {"age", "sex", "admitted_at", "discharged_at"}
    assert not any(is_discharge_summary(note) for note in admission.notes)
    times = [note.charted_at for note in admission.notes]
    assert times == sorted(times)
    assert all(times)
    reference = demo.reference(hadm_id)
    assert set(reference) == SECTIONS
    assert all(text.strip() for text in reference.values())


def test_an_unknown_id_is_not_found():
    for call in (demo.get, demo.reference):
        with pytest.raises(NotFound):
            call("../settings")
