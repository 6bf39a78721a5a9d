"""Corrected tags."""

import hashlib

import pytest

from serving.errors import BadInput, NotFound
from serving.store import Store
from serving.store.records import Account, Output
from tasks.base import Relation, Span

TEXT = "😀 Aspirin\r\nhelps\tmigraine."
DRUG = Span(2, 9, "Chemical", "Aspirin")
ILL = Span(17, 25, "Disease", "migraine")
LINK = Relation(DRUG, ILL, "treats")


def test_comes_back_exactly(store: Store, ada: Account, output: Output) -> None:
    made = store.annotations.add(
        ada.id, task="ner-chemical", text=TEXT, spans=[DRUG, ILL], relations=[LINK],
        origin="model", output_id=output.id,
    )  # fmt: skip
    (kept,) = store.annotations.of_task("ner-chemical")
    assert kept == made
    assert kept.spans == (DRUG, ILL)
    assert kept.relations == (LINK,)
    assert kept.text_digest == hashlib.sha256(TEXT.encode()).hexdigest()
    assert "Aspirin" not in repr(kept)


def test_corrections_are_kept_beside_what_they_correct(
    store: Store, ada: Account, bob: Account
) -> None:
    for spans in ([], [DRUG], [DRUG, ILL]):
        store.annotations.add(ada.id, task="ner", text=TEXT, spans=spans)
    store.annotations.add(bob.id, task="ner", text=TEXT, spans=[ILL])
    store.annotations.add(ada.id, task="ner", text=TEXT + " ", spans=[])
    store.annotations.add(ada.id, task="other", text=TEXT, spans=[])
    mine = store.annotations.of_text(ada.id, "ner", TEXT)
    assert [a.spans for a in mine] == [(), (DRUG,), (DRUG, ILL)]
    assert len(store.annotations.of_task("ner")) == 5
    assert mine[0].origin == "person"


def test_one_by_its_id_belongs_to_its_maker(store: Store, ada: Account, bob: Account) -> None:
    made = store.annotations.add(ada.id, task="ner", text=TEXT, spans=[DRUG])
    assert store.annotations.get(ada.id, made.id) == made
    for account, number in ((bob.id, made.id), (ada.id, 999)):
        with pytest.raises(NotFound):
            store.annotations.get(account, number)


@pytest.mark.parametrize(
    "span",
    [
        Span(0, 7, "Chemical", "Aspirin"),
        Span(2, 9, "Chemical", "aspirin"),
        Span(-8, -1, "Chemical", "migraine"),
        Span(5, 5, "Chemical", ""),
        Span(20, 99, "Disease", "raine."),
    ],
)
def test_a_span_that_the_text_does_not_hold_is_refused(
    store: Store, ada: Account, span: Span
) -> None:
    with pytest.raises(BadInput) as refusal:
        store.annotations.add(ada.id, task="ner", text=TEXT, spans=[span])
    assert span.text.lower() not in str(refusal.value).lower() or not span.text
    assert store.annotations.of_task("ner") == ()


def test_other_bad_input(store: Store, ada: Account) -> None:
    add = store.annotations.add
    with pytest.raises(BadInput, match="relation"):
        add(ada.id, task="ner", text=TEXT, spans=[DRUG], relations=[LINK])
    with pytest.raises(BadInput, match="origin"):
        add(ada.id, task="ner", text=TEXT, spans=[], origin="oracle")  # type: ignore[arg-type]
    with pytest.raises(BadInput):
        add(ada.id, task="ner", text="\0", spans=[])
    with pytest.raises(NotFound):
        add(ada.id, task="ner", text=TEXT, spans=[], output_id="none")
    with pytest.raises(NotFound):
        add(999, task="ner", text=TEXT, spans=[])
