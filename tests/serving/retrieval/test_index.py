"""What holds for every index, over embedded Chroma and over a Chroma server alike."""

import itertools
from pathlib import Path

import pytest

from serving.errors import NotFound
from serving.notes import Admission, Note
from serving.retrieval.documents import Document, read_document
from serving.retrieval.index import Index
from serving.retrieval.scopes import REFERENCE, Scope, documents_of, notes_of

_ids = itertools.count(1000)


@pytest.fixture
def account() -> int:
    """An account no other test has used: the server outlives a test."""
    return next(_ids)


def _document(text: str, title: str = "policy.txt") -> Document:
    return read_document(title, text.encode())


def _stay(hadm_id: str, *texts: str) -> Admission:
    notes = tuple(Note(f"{hadm_id}-{n}", "Nursing", "", text) for n, text in enumerate(texts, 1))
    return Admission(hadm_id, notes=notes)


def test_the_shipped_collection_answers_and_points_into_its_text(index: Index) -> None:
    best = index.search([REFERENCE], "low blood sugar without a cannula", k=1)[0]
    assert best.title == "Hypoglycaemia"
    whole = index.text(best.scope, best.document_id)
    assert whole[best.start : best.end] == best.text
    assert "glucagon" in best.text
    assert 0.3 < best.score <= 1.0
    assert [entry.title for entry in index.reference()] == ["Heart failure", "Hypoglycaemia"]


def test_a_changed_shipped_collection_is_indexed_anew(index: Index, tmp_path: Path) -> None:
    index.reference()
    (tmp_path / "shipped" / "sugar.md").unlink()
    (tmp_path / "shipped" / "heart.md").write_text("# Heart failure\n\nWeigh twice a day.\n")
    later = Index(index._settings, index.embeddings, tmp_path / "shipped")
    assert [entry.title for entry in later.reference()] == ["Heart failure"]
    assert "twice" in later.search([REFERENCE], "weight", k=5)[0].text
    assert len(later.search([REFERENCE], "weight", k=5)) == 1
    later.close()


def test_documents_are_found_at_once_and_gone_at_once(index: Index, account: int) -> None:
    document = _document("The lift key hangs in the porters' lodge.")
    index.add_document(account, document)
    index.add_document(account, document)  # again: replaced, not doubled
    [entry] = index.documents(account)
    assert (entry.id, entry.title, entry.passages) == (document.id, "policy.txt", 1)
    [found] = index.search([documents_of(account)], "where is the key of the lift?")
    assert found.document_id == document.id
    assert index.text(documents_of(account), document.id) == document.text
    index.delete_document(account, document.id)
    assert index.documents(account) == []
    assert index.search([documents_of(account)], "where is the key of the lift?") == []
    with pytest.raises(NotFound):
        index.text(documents_of(account), document.id)
    with pytest.raises(NotFound):
        index.delete_document(account, document.id)


def test_a_long_document_comes_back_whole(index: Index, account: int) -> None:
    text = "".join(
        f"# Part {n}\n\n" + f"Rule {n} says wait {n} hours. " * 30 + "\n\n" for n in range(4)
    )
    document = _document(text)
    index.add_document(account, document)
    [entry] = index.documents(account)
    assert entry.passages > 4
    assert entry.characters == len(document.text)
    assert index.text(documents_of(account), document.id).rstrip() == document.text.rstrip()
    for passage in index.search([documents_of(account)], "rule 3", k=20):
        assert document.text[passage.start : passage.end] == passage.text


def test_no_one_reaches_what_is_not_theirs(index: Index) -> None:
    """Accounts A and B each hold the same stays of X and Y; nothing crosses."""
    a, b = next(_ids), next(_ids)
    question = "Which code opens the medicine cupboard?"
    x = _stay("X", "Patient X: the code of the cupboard is 1111.")
    y = _stay("Y", "Patient Y: the code of the cupboard is 2222.")
    index.add_document(a, _document("Account A: the code of the cupboard is 3333."))
    index.add_document(b, _document("Account B: the code of the cupboard is 4444."))
    index.hold_notes(a, x)
    index.hold_notes(a, y)
    index.hold_notes(b, _stay("X", "B's own X: the code of the cupboard is 5555."))

    def reached(scope: Scope, admission: Admission | None = None) -> str:
        return " ".join(p.text for p in index.search([scope], question, 50, admission))

    assert set(_codes(reached(documents_of(a)))) == {"3333"}
    assert set(_codes(reached(documents_of(b)))) == {"4444"}
    assert set(_codes(reached(notes_of(a, "X"), x))) == {"1111"}
    assert set(_codes(reached(notes_of(a, "Y"), y))) == {"2222"}
    both = [REFERENCE, documents_of(b)]
    assert set(_codes(" ".join(p.text for p in index.search(both, question, 50)))) == {"4444"}
    [foreign] = index.documents(a)
    with pytest.raises(NotFound):
        index.delete_document(b, foreign.id)
    with pytest.raises(NotFound):
        index.text(documents_of(b), foreign.id)


def _codes(text: str) -> list[str]:
    return [word.strip(".") for word in text.split() if word.strip(".").isdigit()]


def test_a_stay_is_what_it_is_now_even_under_an_id_used_before(index: Index, account: int) -> None:
    scope = notes_of(account, "pasted")
    first = _stay("pasted", "The first patient has a peanut allergy.")
    second = _stay("pasted", "The second patient has no allergies.")
    assert "peanut" in index.search([scope], "allergy", admission=first)[0].text
    assert ["second" in p.text for p in index.search([scope], "allergy", admission=second)] == [
        True
    ]


def test_only_ticked_notes_are_searched(index: Index, account: int) -> None:
    stay = _stay("S", "Potassium is 5.9.", "Potassium is 4.1.")
    scope = notes_of(account, "S")
    found = index.search([scope], "potassium", admission=stay, note_ids=["S-2"])
    assert [p.note_id for p in found] == ["S-2"]
    assert found[0].text == "Potassium is 4.1."
    assert index.search([scope], "potassium", admission=stay, note_ids=[]) == []


def test_an_admission_scope_takes_no_other_admission(index: Index, account: int) -> None:
    with pytest.raises(ValueError, match="its admission"):
        index.search([notes_of(account, "X")], "anything", admission=_stay("Y", "words"))
    with pytest.raises(ValueError, match="its admission"):
        index.search([notes_of(account, "X")], "anything")


def test_forgotten_notes_are_made_again_on_demand(index: Index, account: int) -> None:
    stay = _stay("F", "The wound is dry.")
    index.hold_notes(account, stay)
    index.forget_notes(account, "F")
    index.forget_notes(account, "F")
    assert len(index.search([notes_of(account, "F")], "wound", admission=stay)) == 1


def test_scopes_that_differ_never_share_a_collection() -> None:
    scopes = [
        REFERENCE,
        documents_of(1),
        documents_of(11),
        notes_of(1, "1"),
        notes_of(11, ""),
        notes_of(1, '", "x'),
        Scope("documents", 1, "1"),
        Scope("admission", 1, None),
    ]
    names = {scope.collection for scope in scopes}
    assert len(names) == len(scopes)
    assert all(3 <= len(name) <= 63 and name.isascii() for name in names)
