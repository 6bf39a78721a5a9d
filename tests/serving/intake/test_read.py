"""The front door: what a file holds decides, not what it is called."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import BadInput, NotFound, RoundsError, TooLong
from serving.intake import pick, read
from serving.intake.read import recognise
from serving.settings import settings
from tests.serving.intake import samples


@pytest.mark.parametrize("name", ["x.txt", "x.csv", "x.json", "x.jsonl", "", "no-ending"])
@pytest.mark.parametrize(
    ("data", "form"),
    [
        (samples.noteevents_of(samples.demos()[:1]), "noteevents"),
        (samples.bundle_of(samples.demos()[:1]), "fhir"),
        (json.dumps(samples.demos()[0].as_dict()).encode(), "jsonl"),
        (b"\xef\xbb\xbf" + samples.bundle_of(samples.demos()[:1]), "fhir"),
        (samples.noteevents_of(samples.demos()[:1]).decode().encode("utf-16"), "noteevents"),
    ],
)
def test_forms_are_known_by_content_under_any_name(data, form, name):
    assert recognise(data, name) == form
    assert read(data, name).form == form


@pytest.mark.parametrize(
    ("data", "name", "form"),
    [
        (b"BP 120, HR 80, text follows", "a.txt", "text"),
        (b"{braces} open this note", "a.txt", "text"),
        (b"{broken", "a.json", "fhir"),
        (b"{broken", "a.jsonl", "jsonl"),
        (b"a,b\n1,2\n", "a.csv", "noteevents"),
        (b"a,b\n1,2\n", "a.txt", "text"),
        (b"row_id,hadm_id\n1,2\n", "a.txt", "noteevents"),
        (b'{"id": 1, "resourceType": "Bundle"}', "a.txt", "fhir"),
        (b'{"hadm_id": "1", "notes": [{"text": "\\"resourceType\\""}]}', "a.txt", "jsonl"),
    ],
)
def test_the_name_counts_only_where_the_content_is_silent(data, name, form):
    assert recognise(data, name) == form


@pytest.mark.parametrize("call", [read, lambda data: pick(data, "1")])
def test_a_file_over_the_limit_is_refused(call, monkeypatch):
    monkeypatch.setattr(settings(), "max_upload_mb", 1)
    with pytest.raises(TooLong, match=r"at most 1 MB .*ROUNDS_MAX_UPLOAD_MB"):
        call(b"x" * (1024 * 1024 + 1))
    assert read(b"x" * 1024 * 1024).form == "text"


def test_an_empty_file_is_refused():
    with pytest.raises(BadInput, match="empty"):
        read(b"", "a.csv")


def test_one_admission_is_picked_from_any_form():
    demos = samples.demos()[:2]
    lines = "\n".join(json.dumps(d.as_dict()) for d in demos).encode()
    for data in (lines, samples.bundle_of(demos), samples.noteevents_of(demos)):
        picked = pick(data, "demo-02")
        assert [a.hadm_id for a in picked.admissions] == ["demo-02"]
        assert [s.hadm_id for s in picked.summaries] == ["demo-02"]
        with pytest.raises(NotFound):
            pick(data, "demo-09")


OPENINGS = [b"", b"\xff\xfe", b"\xef\xbb\xbf", b"{", b'{"resourceType": "Bundle"', b"[1,"]
OPENINGS += [b"hadm_id,category,charttime,text\n", b'hadm_id,category,charttime,text\n7,a,b,"']
OPENINGS += [b'{"hadm_id": "1", "notes": [{"text": "']


@given(st.sampled_from(OPENINGS), st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_give_notes_or_an_error_in_words(opening, rest):
    try:
        found = read(opening + rest)
    except RoundsError as error:
        assert str(error).endswith((".", "again"))
    else:
        assert found.summaries
        for admission in found.admissions:
            assert all(note.text.strip() for note in admission.notes)
            admission.digest()
