"""FHIR bundles: notes by encounter, nothing fetched, problems by path without values."""

import base64
import json
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import BadInput
from serving.intake import is_discharge_summary, read
from serving.intake.fhir_document import html_to_text
from serving.notes import Note
from tests.serving.intake import samples

SECRET = "Winterbourne"
NOTE = Note("n1", "Nursing", "2025-03-02T14:10:00", "ok")


def attachment(data: bytes | None = None, **fields) -> list[dict]:
    if data is not None:
        fields["data"] = base64.b64encode(data).decode()
    return [{"attachment": fields}]


def one(**changes) -> Note:
    (admission,) = read(samples.bundle(samples.document(NOTE, **changes))).admissions
    (note,) = admission.notes
    return note


def test_whole_admissions_come_back_with_their_facts():
    demos = samples.demos()
    found = read(samples.bundle_of(demos))
    assert (found.form, found.warnings) == ("fhir", ())
    for admission, wanted in zip(found.admissions, demos, strict=True):
        assert admission.hadm_id == wanted.hadm_id
        assert admission.subject_id == wanted.subject_id
        assert admission.facts == wanted.facts
        assert [(n.note_id, n.category, n.text) for n in admission.notes] == [
            (n.note_id, n.category, n.text) for n in wanted.notes
        ]


def test_crlf_and_unicode_of_a_text_are_kept():
    text = "38.4 °C\r\n\t🙂\n"
    assert one(content=attachment(text.encode(), contentType="text/plain")).text == text


def test_a_stated_character_set_is_used():
    content = attachment("38 °C".encode("latin-1"), contentType="text/plain; charset=ISO-8859-1")
    assert one(content=content).text == "38 °C"


def test_plain_text_is_preferred_to_html():
    content = [
        *attachment(b"<p>web</p>", contentType="text/html"),
        *attachment(b"plain", contentType="TEXT/PLAIN"),
    ]
    assert one(content=content).text == "plain"


def test_html_becomes_its_words():
    page = (
        "<html><head><title>t</title><style>p{}</style></head><body><h1>Ward  round</h1>"
        "<p>BP <b>120</b>/80<br>HR&nbsp;70 &lt;80</p><script>alert(1)</script>"
        "<ul><li>one</li><li>two</li></ul></body></html>"
    )
    words = html_to_text(page).splitlines()
    assert [line for line in words if line] == [
        *("Ward round", "BP 120/80", "HR 70 <80", "one", "two")
    ]
    assert one(content=attachment(b"note.txt", contentType="text/html")).text == "note.txt"


def test_an_attachment_by_url_is_reported_by_name_and_never_fetched(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("tried to connect")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    away = samples.document(
        Note("away", "Consult", NOTE.charted_at, "x"),
        content=attachment(contentType="text/plain", url=f"https://ehr.example/{SECRET}"),
    )
    found = read(samples.bundle(samples.document(NOTE), away))
    assert len(found.admissions[0].notes) == 1
    (told,) = [w for w in found.warnings if "url" in w]
    assert "DocumentReference/away" in told
    assert SECRET not in told


def test_a_binary_of_the_same_bundle_is_read():
    binary = {
        "resourceType": "Binary",
        "id": "b1",
        "contentType": "text/plain",
        "data": base64.b64encode(b"inside").decode(),
    }
    document = samples.document(NOTE, content=attachment(url="Binary/b1"))
    (admission,) = read(samples.bundle(document, binary)).admissions
    assert admission.notes[0].text == "inside"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (attachment(b"%PDF", contentType="application/pdf"), "application/pdf"),
        (attachment(b"x"), "does not state a content type"),
        (attachment(b" \n", contentType="text/plain"), "it is empty"),
        (attachment(contentType="text/plain"), "it is empty"),
        (attachment(b"38 \xb0C", contentType="text/plain"), "character set"),
        (attachment(b"x", contentType="text/plain; charset=klingon"), "character set"),
        (attachment(b"a\0b", contentType="text/plain"), "NUL"),
        (attachment(b"<script>x</script>", contentType="text/html"), "it is empty"),
    ],
)
def test_what_cannot_be_read_is_reported(content, reason):
    bad = samples.document(Note("bad", "ECG", NOTE.charted_at, "x"), content=content)
    found = read(samples.bundle(samples.document(NOTE), bad))
    assert [n.note_id for n in found.admissions[0].notes] == ["n1"]
    assert any(reason in w and "DocumentReference/bad" in w for w in found.warnings)
    with pytest.raises(BadInput, match="no document with text"):
        read(samples.bundle(bad))


@pytest.mark.parametrize("changes", [{"status": "entered-in-error"}, {"status": "superseded"}])
def test_withdrawn_documents_are_left_out_and_reported(changes):
    gone = samples.document(Note("gone", "ECG", NOTE.charted_at, "wrong"), **changes)
    found = read(samples.bundle(samples.document(NOTE), gone))
    assert [n.text for n in found.admissions[0].notes] == ["ok"]
    assert any("withdrawn" in w and "DocumentReference/gone" in w for w in found.warnings)


def test_a_type_known_only_by_code_is_named():
    coding = [{"system": "http://loinc.org", "code": "18842-5"}]
    assert is_discharge_summary(one(type={"coding": coding}))


def test_documents_are_parted_by_encounter_and_patient():
    documents = [
        samples.document(Note("a", "ECG", "2025-01-01T00:00:00", "a"), "Encounter/1"),
        samples.document(Note("b", "ECG", "2025-01-01T00:00:00", "b"), "Encounter/2"),
        samples.document(Note("c", "ECG", "2025-01-01T00:00:00", "c"), "Encounter/1"),
        samples.document(NOTE, context=None, subject={"reference": "Patient/p1"}),
        samples.document(NOTE, context=None, subject={"reference": "Patient/p2"}),
    ]
    found = read(samples.bundle(*documents))
    stays = {a.hadm_id: [n.text for n in a.notes] for a in found.admissions}
    assert stays == {
        "1": ["a", "c"],
        "2": ["b"],
        "p1-documents": ["ok"],
        "p2-documents": ["ok"],
    }
    assert any("4 admissions" in w and "encounter" in w for w in found.warnings)


def contained(note_id: str, visit: str | None) -> dict:
    patient = {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1950-06-30"}
    encounter = {
        "resourceType": "Encounter",
        "id": "e",
        "status": "finished",
        "class": {"code": "IMP"},
        "period": {"start": "2025-06-29T10:00:00+02:00"},
    }
    if visit:
        encounter["identifier"] = [{"system": "urn:visits", "value": visit}]
        patient["identifier"] = [{"system": "urn:people", "value": "77"}]
    return samples.document(
        Note(note_id, "ECG", "2025-06-29T10:00:00", note_id),
        "#e",
        subject={"reference": "#p"},
        contained=[patient, encounter, {"resourceType": "Practitioner", "name": 5}],
    )


def test_contained_patient_and_encounter_give_the_facts():
    (admission,) = read(samples.bundle(contained("a", "v1"), contained("b", "v1"))).admissions
    assert admission.hadm_id == "v1"
    assert admission.facts == {"age": "74", "sex": "F", "admitted_at": "2025-06-29"}
    assert len(admission.notes) == 2


def test_contained_encounters_without_a_number_are_never_mixed():
    found = read(samples.bundle(contained("a", None), contained("b", None))).admissions
    assert [[n.text for n in a.notes] for a in found] == [["a"], ["b"]]
    assert len({a.hadm_id for a in found}) == 2


def test_full_urls_and_versioned_references_are_followed():
    patient, encounter = samples.people(samples.demos()[0])
    encounter["subject"] = {"reference": "urn:uuid:1"}
    document = samples.document(
        NOTE, f"https://ehr.example/fhir/Encounter/{encounter['id']}/_history/2"
    )
    bundle = json.loads(samples.bundle(patient, encounter, document))
    bundle["entry"][0]["fullUrl"] = "urn:uuid:1"
    (admission,) = read(json.dumps(bundle).encode()).admissions
    assert admission.hadm_id == "demo-01"
    assert admission.facts == samples.demos()[0].facts


def test_a_malformed_bundle_lists_problems_by_path_without_values():
    document = samples.document(NOTE)
    document["status"] = {"name": SECRET}
    del document["content"]
    document["subject"] = SECRET
    document[SECRET + " 1950-01-01"] = SECRET
    patient = {"resourceType": "Patient", "birthDate": SECRET, "name": SECRET}
    with pytest.raises(BadInput) as caught:
        read(samples.bundle(samples.document(NOTE), document, patient))
    message = str(caught.value)
    assert "entry[1].resource.content is missing" in message
    assert "entry[1].resource.status must be a string" in message
    assert "and 1 more" in message
    assert message.count(";") == 5
    assert SECRET not in message
    assert "1950" not in message
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b'{"resourceType": "Bundle", "type": "collection"', "not valid JSON.*line 1"),
        (b'{"resourceType": "Patient"}', "not a FHIR Bundle"),
        (b'{"a": [{"resourceType": "x"}]}', "not a FHIR Bundle"),
        (b'{"resourceType": "Bundle", "type": "collection", "entry": {}}', "must be a list"),
        (b'{"resourceType": "Bundle", "type": "collection", "entry": "x"}', "entry must be a list"),
        (b'{"resourceType": "Bundle", "type": "collection", "entry": [5]}', "entry must be a list"),
        (b'{"resourceType": "Bundle", "type": "collection"}', "no document with text"),
        (b'{"resourceType": "Bundle", "entry": [{"resource": {}}]}', "type is missing"),
        (b'{"resourceType": "Bundle", "type": "c", "entry": [{"resource": 5}]}', "resourceType"),
        (b'{"resourceType": ' + b"[" * 100_000, "JSON"),
    ],
)
def test_other_broken_bundles_are_refused(data, what):
    with pytest.raises(BadInput, match=what):
        read(data, "bundle.json")


def test_resources_that_are_not_read_do_not_stand_in_the_way():
    odd = {"resourceType": "MedicationRequest", "whatever": [1, 2]}
    (admission,) = read(samples.bundle(odd, samples.document(NOTE))).admissions
    assert admission.notes[0].text == "ok"


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
DOCUMENT = ["status", "type", "content", "context", "subject", "contained", "date", "id"]
STAY = ["id", "identifier", "subject", "period", "status", "birthDate", "gender", "contained"]


@given(
    st.dictionaries(st.sampled_from(DOCUMENT), JUNK, max_size=2),
    st.dictionaries(st.sampled_from(STAY), JUNK, max_size=2),
    st.dictionaries(st.sampled_from(["contentType", "data", "url", "creation"]), JUNK, max_size=2),
    JUNK,
)
def test_any_junk_is_refused_in_words(document, stay, attached, stray):
    """Whatever stands in a bundle, the user gets admissions or a BadInput, nothing else."""
    patient, encounter = samples.people(samples.demos()[0])
    whole = samples.document(NOTE, f"Encounter/{encounter['id']}")
    whole["content"][0]["attachment"].update(attached)
    whole.update(document)
    entries = [patient | stay, encounter | stay, whole, stray]
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": resource} for resource in entries],
    }
    try:
        read(json.dumps(bundle).encode())
    except BadInput as error:
        assert "\n" not in str(error)
