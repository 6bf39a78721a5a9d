"""The sample files people try in the page are those that the generator makes, and they load."""

import pytest

from serving.intake import demo, pick, read
from tests.serving.intake import samples


@pytest.mark.parametrize("name", sorted(samples.shipped()))
def test_shipped_samples_are_up_to_date(name):
    on_disk = (samples.FOLDER / name).read_bytes()
    assert on_disk == samples.shipped()[name], "run: python -m tests.serving.intake.samples"


@pytest.mark.parametrize(
    ("name", "form", "count"),
    [("noteevents-sample.csv", "noteevents", 3), ("fhir-bundle-sample.json", "fhir", 2)],
)
def test_shipped_samples_hold_the_demo_admissions(name, form, count):
    data = (samples.FOLDER / name).read_bytes()
    found = read(data)  # by content alone
    assert (found.form, len(found.summaries), found.warnings) == (form, count, ())
    for summary in found.summaries:
        (admission,) = pick(data, summary.hadm_id).admissions
        texts = [note.text for note in admission.notes]
        assert texts == [note.text for note in demo.get(summary.hadm_id).notes]


def test_the_sample_text_splits_into_its_notes():
    found = read((samples.FOLDER / "note.txt").read_bytes(), "note.txt")
    wanted = samples.demos()[0].notes
    assert found.form == "text"
    assert [(n.category, n.charted_at[:16], n.text) for n in found.admissions[0].notes] == [
        (n.category, n.charted_at[:16], n.text + "\n") for n in wanted
    ]
