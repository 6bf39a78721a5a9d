"""Tagged text as files: offsets right, and back again without loss."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import BadInput
from serving.export import TagDocument, from_jsonl, to_conll, to_jsonl
from serving.notice import NOTICE
from tasks.base import Relation, Span
from tasks.bio import from_bio
from tasks.text import tokens

TEXT = "Pt 👩‍⚕️ given\t5 µg β-blocker.\r\nNo fever; e\u0301tat ok.\nAspirin → bleed"
CHARS = st.text(alphabet='aB9 .\t\r\né\u0301µ👩\u200d⚕️🇬🇧\u2028\x85"\\{}#\0', min_size=1)


def span(text: str, words: str, label: str = "Drug") -> Span:
    start = text.index(words)
    return Span(start, start + len(words), label, words)


@st.composite
def documents(draw) -> TagDocument:
    text = draw(CHARS)
    ends = st.tuples(*[st.integers(0, len(text))] * 2).map(sorted)
    pairs = draw(st.lists(ends, max_size=4))
    labels = st.sampled_from(["Drug", "Disease"])
    spans = tuple(Span(a, b, draw(labels), text[a:b]) for a, b in pairs)
    relations = ()
    if spans:
        one = st.sampled_from(spans)
        relations = tuple(draw(st.lists(st.builds(Relation, one, one, st.just("causes")))))
    return TagDocument(draw(st.text()), text, spans, relations, "ner-disease", "m", "d" * 64)


@given(st.lists(documents(), max_size=3))
def test_jsonl_round_trip_loses_nothing(given_documents):
    content = to_jsonl(given_documents)
    assert list(from_jsonl(content)) == given_documents
    assert content.isascii()
    assert len(content.splitlines()) == len(given_documents)


def test_jsonl_is_bigbio_kb_with_notice_and_provenance():
    drug, harm = span(TEXT, "Aspirin"), span(TEXT, "bleed", "Disease")
    found = TagDocument(
        "a1", TEXT, (drug, harm), (Relation(drug, harm, "causes"),), "re", "m", "1", "2", "3", "4"
    )
    kb = json.loads(to_jsonl([found]))
    assert {
        "id",
        "document_id",
        "passages",
        "entities",
        "events",
        "coreferences",
        "relations",
    } <= set(kb)
    assert kb["passages"][0]["text"] == [TEXT]
    for entity in kb["entities"]:
        (start, end), (words,) = entity["offsets"][0], entity["text"]
        assert kb["passages"][0]["text"][0][start:end] == words
    by_id = {entity["id"]: entity["text"][0] for entity in kb["entities"]}
    (relation,) = kb["relations"]
    assert (by_id[relation["arg1_id"]], by_id[relation["arg2_id"]]) == ("Aspirin", "bleed")
    ids = [part["id"] for kind in ("passages", "entities", "relations") for part in kb[kind]]
    assert len(ids) == len(set(ids))
    assert kb["notice"] == NOTICE
    assert kb["provenance"] == {
        "task": "re",
        "model": "m",
        "model_digest": "1",
        "adapter_digest": "2",
        "template_hash": "3",
        "made_at": "4",
    }


def test_the_ends_of_a_relation_are_entities_even_where_not_listed():
    drug, harm = span(TEXT, "Aspirin"), span(TEXT, "bleed", "Disease")
    content = to_jsonl([TagDocument("a", TEXT, (harm,), (Relation(drug, harm, "causes"),))])
    (back,) = from_jsonl(content)
    assert back.spans == (harm, drug)
    assert back.relations == (Relation(drug, harm, "causes"),)


@pytest.mark.parametrize(
    "change",
    [
        lambda kb: kb["entities"][0].update(offsets=[[0, 7]]),
        lambda kb: kb["entities"][0].update(offsets=[[-15, -8]]),  # as Python slices: the same
        lambda kb: kb.pop("passages"),
        lambda kb: kb["relations"].append({"arg1_id": "x", "arg2_id": "y", "type": "t"}),
        lambda kb: kb["passages"].clear(),
    ],
)
def test_a_line_of_another_form_is_refused_by_number_without_its_text(change):
    kb = json.loads(to_jsonl([TagDocument("a", TEXT, (span(TEXT, "Aspirin"),))]))
    change(kb)
    good = to_jsonl([TagDocument("a", TEXT)])
    with pytest.raises(BadInput, match="Line 2") as caught:
        list(from_jsonl(good + json.dumps(kb)))
    assert "Aspirin" not in str(caught.value)


def rows(conll: str) -> list[list[str]]:
    return [line.split("\t") for line in conll.split("\n") if "\t" in line]


def test_conll_of_a_hard_text():
    found = TagDocument("a1", TEXT, (span(TEXT, "β-blocker"), span(TEXT, "bleed", "Disease")))
    conll = to_conll([found])
    assert conll.startswith(f"# {NOTICE}\n# id = a1\n")
    tagged = [row for row in rows(conll) if row[1] != "O"]
    assert tagged == [
        ["β", "B-Drug"],
        ["-", "I-Drug"],
        ["blocker", "I-Drug"],
        ["bleed", "B-Disease"],
    ]
    sentences = conll.split("\n", 2)[2].strip("\n").split("\n\n")
    assert [block.split("\t")[0] for block in sentences] == ["Pt", "No", "Aspirin"]


@given(documents())
def test_conll_holds_every_token_with_one_tag(found):
    conll = to_conll([found])
    offsets = tokens(found.text)
    lines = rows(conll)
    assert [row[0] for row in lines] == [found.text[a:b] for a, b in offsets]
    assert all(len(row) == 2 for row in lines)
    back = from_bio([row[1] for row in lines], offsets, found.text)
    touched = [s for s in found.spans if any(a < s.end and s.start < b for a, b in offsets)]
    assert bool(back) == bool(touched)
    others = [line for line in conll.split("\n") if "\t" not in line]
    assert all(line == "" or line.startswith("# ") for line in others)


def test_conll_counts_overlapping_spans_it_cannot_hold():
    text = "lung cancer"
    found = TagDocument("a", text, (span(text, "lung cancer"), span(text, "cancer")))
    conll = to_conll([found])
    assert "# spans left out (overlapping) = 1" in conll
    assert rows(conll) == [["lung", "B-Drug"], ["cancer", "I-Drug"]]


def test_documents_follow_each_other_after_a_blank_line():
    conll = to_conll([TagDocument("a", "One."), TagDocument("b\nc", "# two")])
    assert conll == f"# {NOTICE}\n# id = a\nOne\tO\n.\tO\n\n# id = b c\n#\tO\ntwo\tO\n\n"
