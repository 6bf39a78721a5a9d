"""NOTEEVENTS tables: read whole, or refused with the line."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import BadInput, NotFound
from serving.intake import is_discharge_summary, pick, read
from serving.intake.noteevents import MIMIC_III, admission, admissions
from serving.notes import Note
from tests.serving.intake import samples

SECRET = "Mrs Winterbourne"


def test_every_admission_comes_back_exactly():
    demos = samples.demos()
    data = samples.noteevents_of(demos)
    assert [s.hadm_id for s in admissions(data)] == [d.hadm_id for d in demos]
    for wanted in demos:
        found = admission(data, wanted.hadm_id)
        assert found.subject_id == wanted.subject_id
        assert [(n.category, n.charted_at, n.text) for n in found.notes] == [
            (n.category, n.charted_at, n.text) for n in wanted.notes
        ]


@given(st.lists(st.text().filter(lambda t: t.strip() and "\0" not in t), min_size=1, max_size=5))
def test_texts_keep_every_character(texts):
    rows = [samples.row(n, "1", "7", Note("", "Nursing", "", t)) for n, t in enumerate(texts)]
    assert [n.text for n in admission(samples.noteevents(rows), "7").notes] == texts


def test_the_list_tells_notes_words_and_times():
    rows = [
        samples.row(1, "s", "7", Note("", "Nursing", "2101-01-02 10:00:00", "one two\r\nthree")),
        samples.row(2, "s", "7", Note("", "ECG", "2101-01-01", "four")),
        samples.row(3, "t", "8", Note("", "ECG", "", "five")),
    ]
    first, second = admissions(samples.noteevents(rows))
    assert (first.hadm_id, first.subject_id, first.notes, first.words) == ("7", "s", 2, 4)
    assert (first.first, first.last) == ("2101-01-01", "2101-01-02T10:00:00")
    assert (second.notes, second.first) == (1, "")


def test_header_case_bom_crlf_semicolon_and_order_do_not_matter():
    header = "text;Category;hadm_id;charttime"
    data = f'\ufeff{header}\r\n"a;b\r\nc";Nursing;7;2101-01-01 10:00:00\r\n\r\n'.encode()
    (only,) = admission(data, "7").notes
    assert (only.text, only.category) == ("a;b\r\nc", "Nursing")


def test_mimic_iv_columns_are_read():
    data = (
        b"note_id,subject_id,hadm_id,note_type,note_seq,charttime,storetime,text\n"
        b'10-DS-1,10,20,DS,1,2180-01-01 00:00:00,,"Summary"\n'
    )
    (only,) = admission(data, "20").notes
    assert (only.note_id, only.category, only.charted_at) == ("10-DS-1", "DS", "2180-01-01")
    assert is_discharge_summary(only)


def test_rows_in_error_without_admission_or_text_are_left_out_and_counted():
    good = samples.row(1, "s", "7", Note("", "Nursing", "", "kept"))
    wrong, homeless, blank = list(good), list(good), list(good)
    wrong[9], homeless[2], blank[10] = "1", " ", " \n"
    intake = read(samples.noteevents([good, wrong, homeless, homeless, blank]))
    assert [n.text for n in intake.admissions[0].notes] == ["kept"]
    assert intake.warnings == (
        "1 row marked as charted in error (ISERROR) left out.",
        "2 rows without HADM_ID left out.",
        "1 row without any text left out.",
    )


def test_float_ids_are_read_as_whole_numbers():
    row = samples.row(1, "3.0", "145834.0", Note("", "Nursing", "", "x"))
    (only,) = read(samples.noteevents([row])).admissions
    assert (only.hadm_id, only.subject_id) == ("145834", "3")


def test_missing_columns_are_named_with_what_is_expected():
    data = b"ROW_ID,SUBJECT_ID,HADM_ID,CHARTDATE\n1,2,3,2101-01-01\n"
    with pytest.raises(BadInput, match=r"lacks 2 columns: CATEGORY or NOTE_TYPE, TEXT") as caught:
        read(data)
    assert ", ".join(MIMIC_III) in str(caught.value)


def test_a_csv_of_unknown_columns_is_a_table_not_a_note():
    with pytest.raises(BadInput, match="lacks 4 columns"):
        read(b"name,age\nx,1\n", "patients.csv")


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (f'1,7,N,t,"{SECRET}\n2,7,N,t,"second"\n', 2),
        (f'1,7,N,t,"fine\nlines"\n2,7,N,t,"{SECRET}\n', 4),
        (f'1,7,N,t,"{SECRET} "said" no"\n', 2),
    ],
)
def test_an_open_quote_names_the_line_and_no_text(body, line):
    data = f"ROW_ID,HADM_ID,CATEGORY,CHARTTIME,TEXT\n{body}".encode()
    with pytest.raises(BadInput, match=f"starts on line {line} .*quote") as caught:
        read(data)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(("row", "width"), [("1,7,N", 3), (f"1,7,N,t,{SECRET},b", 6)])
def test_a_row_of_the_wrong_length_names_the_line(row, width):
    data = f"ROW_ID,HADM_ID,CATEGORY,CHARTTIME,TEXT\n1,7,N,t,x\n{row}\n".encode()
    with pytest.raises(BadInput, match=f"line 3 has {width} columns, the header 5") as caught:
        read(data)
    assert SECRET not in str(caught.value)


def test_a_table_that_is_not_utf8_names_the_byte():
    data = samples.noteevents([samples.row(1, "1", "7", Note("", "N", "", "38 °C"))])
    broken = data.decode().encode("latin-1")
    with pytest.raises(BadInput, match=rf"byte {broken.index(0xB0):,} \(line 2\)"):
        read(broken)


@pytest.mark.parametrize("rows", [[], [samples.row(1, "1", "", Note("", "N", "", "x"))]])
def test_a_table_without_usable_notes_is_refused(rows):
    with pytest.raises(BadInput, match="no note that belongs to an admission"):
        read(samples.noteevents(rows))


def test_an_admission_that_is_not_there_is_not_found():
    with pytest.raises(NotFound):
        pick(samples.noteevents_of(samples.demos()[:2]), "nobody")


def test_a_cell_of_200_000_characters_is_accepted():
    text = "x" * 200_000
    data = samples.noteevents([samples.row(1, "1", "7", Note("", "N", "", text))])
    assert admission(data, "7").notes[0].text == text


def test_a_50_mb_table_is_listed_and_read():
    data = samples.noteevents_of_size(50)
    assert len(data) > 50e6
    found = read(data)
    assert len(found.summaries) > 1000
    assert not found.admissions
    chosen = found.summaries[-1]
    (picked,) = pick(data, chosen.hadm_id).admissions
    assert len(picked.notes) == chosen.notes
    assert picked.notes[0].charted_at == chosen.first


def test_listing_holds_no_copy_of_the_table_in_memory():
    data = samples.noteevents_of_size(5)
    tracemalloc.start()
    try:
        read(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < len(data) / 4
