"""The command line's line forms, with the line number in every error."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import BadInput
from serving.intake import read
from serving.intake.jsonl import TagInput, read_admissions, read_tag_inputs
from tests.serving.intake import samples

SECRET = "Mrs Winterbourne"
NOTE = {"note_id": "n1", "category": "Nursing", "charted_at": "2025-03-02T14:10:00", "text": "ok"}


def line(**changes) -> str:
    return json.dumps({"hadm_id": "7", "notes": [NOTE], **changes})


def test_admissions_come_back_whole():
    demos = samples.demos()
    data = "".join(json.dumps(d.as_dict(), ensure_ascii=False) + "\n" for d in demos).encode()
    found = read(data)
    assert found.form == "jsonl"
    assert list(found.admissions) == demos


def test_only_a_newline_ends_a_line():
    text = "a\u2028b\u0085c\x1cd\re"
    raw = json.dumps({"hadm_id": "7", "notes": [{**NOTE, "text": text}]}, ensure_ascii=False)
    (admission,) = read(f"\ufeff\r\n{raw}\r\n\n".encode()).admissions
    assert admission.notes[0].text == text


def test_numbers_are_taken_as_ids_and_null_as_unknown_time():
    note = {"note_id": 1, "category": "ECG", "charted_at": None, "text": "x"}
    (admission,) = read_admissions([line(hadm_id=7, notes=[note])])
    assert (admission.hadm_id, admission.notes[0].note_id) == ("7", "1")
    assert admission.notes[0].charted_at == ""


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        ("{" + SECRET, "not a whole JSON object"),
        (f'["{SECRET}"]', "must be an object"),
        (line(notes=[]), "no notes with text"),
        (line(notes=[{**NOTE, "text": " "}]), "no notes with text"),
        (line(notes=[{"note_id": SECRET}]), r"notes\[0\]\.text is missing"),
        (line(notes=[{**NOTE, "text": [SECRET]}]), r"notes\[0\]\.text must be a string"),
        (line(notes=SECRET), "notes must be a list"),
        (json.dumps({"notes": [NOTE]}), "hadm_id is missing"),
        (line(hadm_id=""), "hadm_id is empty"),
        (line(notes=[{**NOTE, "text": f"{SECRET}\ud83d"}]), "surrogate|JSON"),
        (line(notes=[{**NOTE, "text": f"{SECRET}\0"}]), "NUL"),
        (line(hadm_id="first"), "hadm_id of line 1 is used again"),
    ],
)
def test_errors_name_the_line_and_hold_no_text(bad, what):
    lines = [line(hadm_id="first"), "", bad]
    with pytest.raises(BadInput, match=f"^Line 3: .*({what})") as caught:
        list(read_admissions(lines))
    assert SECRET not in str(caught.value)


def test_warnings_name_the_line():
    warnings: list[str] = []
    list(read_admissions([line(notes=[NOTE, {**NOTE, "text": ""}])], warnings))
    assert warnings == ["Line 1: 1 note without any text left out."]


def test_no_more_than_five_problems_are_listed():
    with pytest.raises(BadInput, match="and 4 more"):
        list(read_admissions([line(notes=[{}] * 9)]))


@given(st.text().filter(lambda t: t.strip() and "\0" not in t))
def test_tag_texts_keep_every_character(text):
    (found,) = read_tag_inputs([json.dumps({"id": "a", "text": text})])
    assert found == TagInput("a", text)


def test_tag_tokens_are_kept_as_given():
    (found,) = read_tag_inputs(['{"id": 3, "tokens": ["no", "fever", "."]}'])
    assert found == TagInput("3", "", ("no", "fever", "."))


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        ('{"id": "a"}', "either"),
        ('{"id": "a", "text": "x", "tokens": ["x"]}', "either"),
        ('{"id": "a", "text": " "}', "no text"),
        ('{"id": "a", "tokens": []}', "no text"),
        ('{"id": "a", "tokens": ["x", " "]}', "empty or blank"),
        ('{"text": "x"}', "id is missing"),
        ('{"id": "a", "text": "\\u0000x"}', "NUL"),
        ('{"id": "first", "text": "x"}', "id of line 1"),
        ("x", "not a whole JSON object"),
    ],
)
def test_tag_errors_name_the_line(bad, what):
    with pytest.raises(BadInput, match=f"^Line 2: .*{what}"):
        list(read_tag_inputs(['{"id": "first", "text": "x"}', bad]))


def test_a_line_of_200_000_characters_is_accepted():
    text = "x" * 200_000
    assert read(line(notes=[{**NOTE, "text": text}]).encode()).admissions[0].notes[0].text == text
