"""Entity tasks: prompt, bounded answer, parse, score; and the BIO-line form."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.base import Span, UnparseableAnswer
from tasks.bio_lines import bio_lines, parse_bio_lines
from tasks.catalog import task
from tasks.ner import NER_TASKS, NerExample, NerPrediction

DISEASE = NER_TASKS[0]
TEXT = "Ovarian cancer, gout : and\r\n\tovarian cancer 🙂."


def example(text, *named, label="Disease"):
    spans, start = [], 0
    for name in named:
        start = text.index(name, start)
        spans.append(Span(start, start + len(name), label, name))
        start += len(name)
    return NerExample(text, tuple(spans))


GOLD = example(TEXT, "Ovarian cancer", "gout", "ovarian cancer")


def test_labels_are_those_promised():
    assert {one.id: one.labels for one in NER_TASKS} == {
        "ner-disease": ("Disease",),
        "ner-chemical": ("Chemical",),
        "ner-gene": ("Gene",),
        "ner-bio": ("protein", "DNA", "RNA", "cell_type", "cell_line"),
        "ner-clinical": ("problem", "treatment", "test"),
    }


@pytest.mark.parametrize("one", NER_TASKS, ids=lambda one: one.id)
def test_five_wordings_each_with_the_form_and_the_text(one):
    assert len(set(one.wordings)) == 5
    for index in range(5):
        (message,) = one.render(NerExample(TEXT), index)
        assert message["role"] == "user" and message["content"].endswith(TEXT)
        assert all(f'"{label}"' in message["content"] for label in one.labels)


def test_the_answer_is_compact_json_in_order_of_the_text():
    assert DISEASE.answer(GOLD) == '{"Disease":["Ovarian cancer","gout","ovarian cancer"]}'
    assert DISEASE.parse(DISEASE.answer(GOLD), GOLD) == DISEASE.gold(GOLD)


@pytest.mark.parametrize(
    "name", ["a\r\nb", 'the "big" one', "c:\\d", "é\u0301🙂", "x\ty", "nul\0l", "it\u2028is"]
)
def test_mentions_of_any_characters_survive_the_constrained_answer(name):
    """What the grammar lets through must hold every gold answer, and lead back to the source."""
    from xgrammar import Grammar
    from xgrammar.testing import _is_grammar_accept_string as accepts

    gold = example(f"before {name} after", name)
    grammar = Grammar.from_json_schema(DISEASE.constraint(gold).json_schema)
    assert accepts(grammar, DISEASE.answer(gold))
    assert DISEASE.parse(DISEASE.answer(gold), gold) == DISEASE.gold(gold)
    too_long, too_many = ["y" * 600], ["y"] * 200
    assert not accepts(grammar, json.dumps({"Disease": too_long}))
    assert not accepts(grammar, json.dumps({"Disease": too_many}))
    assert not accepts(grammar, json.dumps({"Disease": [], "Other": []}))


@given(st.text())
def test_the_bounds_grow_with_the_text(text):
    schema = task("ner-clinical").constraint(NerExample(text)).json_schema
    assert schema["required"] == ["problem", "treatment", "test"]
    mentions = schema["properties"]["problem"]
    assert min(len(text.split()) // 2 + 1, 128) <= mentions["maxItems"] <= 128
    assert mentions["items"]["maxLength"] >= min(len(text), 256)


def test_what_the_text_does_not_hold_is_counted_not_shown():
    answer = '{"Disease": ["gout", "lupus", "gout"]}'
    assert DISEASE.parse(answer, GOLD) == NerPrediction((GOLD.spans[1],), 2)


@pytest.mark.parametrize(
    "answer",
    ["", '{"Disease": ["gout"', "[]", "null", '{"disease": []}', '{"Disease": [], "X": []}',
     '{"Disease": "gout"}', '{"Disease": [1]}', '{"Disease": null}', "[" * 100_000, "{}"],
)  # fmt: skip
def test_malformed_or_cut_answers_are_refused(answer):
    with pytest.raises(UnparseableAnswer):
        DISEASE.parse(answer, GOLD)


@given(st.text())
def test_parse_never_fails_otherwise(answer):
    try:
        DISEASE.parse(answer, GOLD)
    except UnparseableAnswer as error:
        assert len(answer) < 3 or answer not in str(error)  # no patient text in messages


def test_score_is_strict_and_micro():
    near = NerPrediction((Span(0, 7, "Disease", "Ovarian"), GOLD.spans[1]), dropped=2)
    scores = DISEASE.score([near], [DISEASE.gold(GOLD)])
    assert scores["precision"] == 0.5 and scores["recall"] == pytest.approx(1 / 3)
    assert scores["f1"] == pytest.approx(0.4) and scores["dropped"] == 0.5
    assert DISEASE.score([], []) == {"precision": 0, "recall": 0, "f1": 0, "dropped": 0}


def test_score_per_label():
    one = task("ner-clinical")
    gold = NerPrediction((Span(0, 1, "problem", "a"), Span(2, 3, "test", "b")))
    found = NerPrediction((Span(0, 1, "problem", "a"), Span(2, 3, "treatment", "b")))
    scores = one.score([found], [gold])
    assert scores["f1"] == 0.5
    assert scores["f1/problem"] == 1 and scores["recall/test"] == 0
    assert scores["precision/treatment"] == 0


def test_bio_lines_are_one_token_and_tag_a_line():
    lines = bio_lines(DISEASE, example("Gout : cancer.", "Gout", "cancer"))
    assert lines == "Gout : B\n: : O\ncancer : B\n. : O"
    clinical = bio_lines(task("ner-clinical"), example("renal pain", "renal pain", label="problem"))
    assert clinical == "renal : B-problem\npain : I-problem"


def test_bio_lines_round_trip():
    assert parse_bio_lines(DISEASE, bio_lines(DISEASE, GOLD), GOLD) == DISEASE.gold(GOLD)


@given(st.text(alphabet="ab:O B-\r\n\t🙂é\u0301", max_size=80))
def test_bio_lines_of_any_answer_give_slices_of_the_text(answer):
    found = parse_bio_lines(DISEASE, answer, NerExample("a : b O B\n🙂 é"))
    for span in found.spans:
        assert span.text and span.text == "a : b O B\n🙂 é"[span.start : span.end]


def test_bio_lines_drop_what_is_not_there_and_skip_other_lines():
    answer = "Here are the tags\nOvarian : B\ncancer : I\nlupus : B\nof : B-problem\n.: O"
    found = parse_bio_lines(DISEASE, answer, GOLD)
    assert [span.text for span in found.spans] == ["Ovarian cancer"] and found.dropped == 2


@pytest.mark.parametrize(
    "text",
    [
        "Aspirin, warfarin, heparin, digoxin, and insulin",
        "aspirin/warfarin/heparin/digoxin/insulin",
        "aspirin (warfarin) heparin; digoxin or insulin",
    ],
)
def test_a_list_of_nothing_but_mentions_fits_the_schema(text):
    chemical = next(one for one in NER_TASKS if one.id == "ner-chemical")
    schema = chemical.constraint(NerExample(text)).json_schema
    assert schema["properties"]["Chemical"]["maxItems"] >= 5
