"""Pairs are masked, held to their types, parsed and scored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.base import Span, UnparseableAnswer
from tasks.catalog import all_tasks, task
from tasks.relation import RelationExample
from tasks.relations import RELATION_TASKS

DDI, GAD, CLINICAL = RELATION_TASKS
TEXT = "Aspirin raises warfarin levels."
ASPIRIN, WARFARIN = Span(0, 7, "Chemical", "Aspirin"), Span(15, 23, "Chemical", "warfarin")


def span(text, word, label, start=0):
    start = text.index(word, start)
    return Span(start, start + len(word), label, word)


def test_the_pair_is_masked_and_the_rest_kept():
    masked = "@DRUG$ raises @DRUG$ levels."
    assert DDI.masked(RelationExample(TEXT, ASPIRIN, WARFARIN)) == masked
    assert DDI.masked(RelationExample(TEXT, WARFARIN, ASPIRIN)) == masked
    assert DDI.masked(RelationExample(masked)) == masked


def test_overlapping_arguments_become_one_mark():
    text = "BRCA1 cancer here"
    pair = RelationExample(text, span(text, "BRCA1", "Gene"), span(text, "BRCA1 cancer", "Disease"))
    assert GAD.masked(pair) == "@GENE-DISEASE$ here"


def test_a_long_text_is_cut_to_the_sentences_of_the_pair():
    text = "Nothing here. " * 100 + TEXT + " Later. More." * 100
    shift = 1400
    pair = RelationExample(
        text,
        Span(shift, shift + 7, "Chemical", "Aspirin"),
        Span(shift + 15, shift + 23, "Chemical", "warfarin"),
    )
    assert DDI.masked(pair) == "@DRUG$ raises @DRUG$ levels."


@pytest.mark.parametrize("one", RELATION_TASKS, ids=lambda one: one.id)
def test_each_wording_names_every_type_and_holds_the_text(one):
    assert len(one.wordings) == 5 and len(set(one.wordings)) == 5
    for index in range(5):
        (message,) = one.render(RelationExample("some masked text"), index)
        assert message["content"].endswith("some masked text")
        assert all(f"- {name}: " in message["content"] for name in one.types)


def test_the_choice_fits_the_pair():
    text = "metformin for diabetes after HbA1c"
    drug, problem = span(text, "metformin", "treatment"), span(text, "diabetes", "problem")
    test = span(text, "HbA1c", "test")
    choice = CLINICAL.constraint(RelationExample(text, drug, problem)).choice
    assert choice == ("TrIP", "TrWP", "TrCP", "TrAP", "TrNAP", "none")
    assert CLINICAL.constraint(RelationExample(text, test, problem)).choice == (
        "TeRP",
        "TeCP",
        "none",
    )
    assert CLINICAL.constraint(RelationExample("@TEST$ @PROBLEM$")).choice == tuple(CLINICAL.types)


def test_candidates_are_pairs_of_one_sentence_the_right_way_round():
    text = "BRCA1 and cancer.\nGout spares TP53. Flu."
    brca, cancer = span(text, "BRCA1", "Gene"), span(text, "cancer", "Disease")
    gout, tp53, flu = (
        span(text, "Gout", "Disease"),
        span(text, "TP53", "Gene"),
        span(text, "Flu", "Disease"),
    )
    pairs = GAD.candidate_pairs(text, [flu, tp53, gout, cancer, brca])
    assert pairs == [(brca, cancer), (tp53, gout)]


def test_candidates_leave_out_overlaps_repeats_and_the_far_apart():
    text = "aspirin, Aspirin" + " and" * 200 + " warfarin"
    spans = [
        span(text, "aspirin", "Chemical"),
        span(text, "Aspirin", "Chemical"),
        span(text, "warfarin", "Chemical"),
    ]
    assert DDI.candidate_pairs(text, spans) == []
    assert DDI.candidate_pairs("", []) == []


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 6)), max_size=6))
def test_masking_any_pair_keeps_what_lies_outside(places):
    text = "ab 🙂\tcd\r\nef. Gh é\u0301 ij kl mn op qr st"
    spans = [Span(a, min(a + n, len(text)), "problem", text[a : a + n]) for a, n in places]
    for head, tail in CLINICAL.candidate_pairs(text, spans):
        masked = CLINICAL.masked(RelationExample(text, head, tail))
        assert masked.count("@PROBLEM$") == 2
        assert masked.startswith(text[: min(head.start, tail.start)])
        assert masked.endswith(text[max(head.end, tail.end) :])


def test_parse_takes_a_type_and_nothing_else():
    example = RelationExample(TEXT, ASPIRIN, WARFARIN, "effect")
    assert DDI.parse(" effect\n", example) == "effect"
    assert DDI.gold(example) == "effect"
    for wrong in ("", "Effect of it", "TrIP"):
        with pytest.raises(UnparseableAnswer):
            DDI.parse(wrong, example)


def test_score_counts_positive_types_only():
    scores = DDI.score(["effect", "none", "int", "none"], ["effect", "advise", "none", "none"])
    assert scores["precision"] == 0.5 and scores["recall"] == 0.5 and scores["f1"] == 0.5
    assert scores["f1/effect"] == 1.0 and scores["f1/advise"] == 0.0
    assert scores["accuracy"] == 0.5


def test_arguments_come_from_tasks_that_exist():
    for one in RELATION_TASKS:
        labels = {label for name in one.ner_tasks for label in task(name).labels}
        assert {label for pair in one.pairs for label in pair} <= labels
        assert set(one.ner_tasks) <= set(all_tasks())
        assert {name for types in one.pairs.values() for name in types} < set(one.types)
