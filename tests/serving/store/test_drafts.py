"""Drafts: append-only versions, no lost update, seen by their owner alone."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from serving.errors import BadInput, Conflict, NotFound
from serving.notes import Admission
from serving.store import Store
from serving.store.records import Account, Draft, Output, SectionText


@pytest.fixture
def draft(store: Store, ada: Account, admission: Admission) -> Draft:
    return store.drafts.create(ada.id, store.admissions.save(ada.id, admission))


def text(words: str, output_id: str | None = None) -> dict[str, SectionText]:
    return {"hospital_course": SectionText(words, output_id), "follow_up": SectionText("")}


def test_versions_count_from_one_and_all_are_kept(
    store: Store, ada: Account, draft: Draft, output: Output
) -> None:
    add = store.drafts.add_version
    assert store.drafts.latest(ada.id, draft.id) is None
    assert add(draft.id, ada.id, text("one 😀\r\n\0", output.id), "generated", 0) == 1
    assert add(draft.id, ada.id, text("two", output.id), "edited", 1) == 2
    assert add(draft.id, ada.id, text("two", output.id), "edited", 2, status="signed") == 3
    versions = store.drafts.versions(ada.id, draft.id)
    assert [v.version for v in versions] == [1, 2, 3]
    assert versions[0].sections == text("one 😀\r\n\0", output.id)
    assert list(versions[0].sections) == ["hospital_course", "follow_up"]
    assert [v.reason for v in versions] == ["generated", "edited", "edited"]
    assert [v.status for v in versions] == ["draft", "draft", "signed"]
    assert {v.author for v in versions} == {ada.id}
    assert store.drafts.latest(ada.id, draft.id) == versions[-1]


def test_the_notes_chosen_are_kept(store: Store, ada: Account, admission: Admission) -> None:
    stay = store.admissions.save(ada.id, admission)
    for chosen in (None, [], ["n2"]):
        made = store.drafts.create(ada.id, stay, chosen)
        assert store.drafts.get(ada.id, made.id) == made
        assert made.note_ids == chosen
        assert store.drafts.recent(ada.id, 1)[0].draft == made


@pytest.mark.parametrize("base", [-1, 0, 2])
def test_a_stale_base_is_refused(store: Store, ada: Account, draft: Draft, base: int) -> None:
    store.drafts.add_version(draft.id, ada.id, text("one"), "generated", 0)
    with pytest.raises(Conflict, match="newest version"):
        store.drafts.add_version(draft.id, ada.id, text("lost"), "edited", base)
    (kept,) = store.drafts.versions(ada.id, draft.id)
    assert kept.sections == text("one")


def test_of_simultaneous_saves_one_wins(store: Store, ada: Account, draft: Draft) -> None:
    for base in range(4):
        together = Barrier(8)

        def save(number: int, base: int = base, together: Barrier = together) -> int | None:
            together.wait()
            try:
                add = store.drafts.add_version
                return add(draft.id, ada.id, text(f"{base}/{number}"), "edited", base)
            except Conflict as refusal:
                assert "newest version" in str(refusal)
                return None

        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(save, range(8)))
        assert sorted(r for r in results if r is not None) == [base + 1]
        winner = next(n for n, result in enumerate(results) if result)
        latest = store.drafts.latest(ada.id, draft.id)
        assert latest is not None
        assert latest.sections == text(f"{base}/{winner}")


def test_belongs_to_its_owner(
    store: Store, ada: Account, bob: Account, draft: Draft, admission: Admission
) -> None:
    assert store.drafts.get(ada.id, draft.id) == draft
    with pytest.raises(NotFound):
        store.drafts.get(bob.id, draft.id)
    with pytest.raises(NotFound):
        store.drafts.latest(bob.id, draft.id)
    with pytest.raises(NotFound):
        store.drafts.versions(bob.id, draft.id)
    with pytest.raises(NotFound):
        store.drafts.add_version(draft.id, bob.id, text("mine now"), "edited", 0)
    with pytest.raises(NotFound):
        store.drafts.create(bob.id, draft.admission_id)
    assert store.drafts.recent(bob.id) == ()
    assert store.drafts.versions(ada.id, draft.id) == ()


def test_outputs_named_must_be_the_authors(store: Store, bob: Account, output: Output) -> None:
    bobs = store.drafts.create(bob.id, store.admissions.save(bob.id, Admission("9")))
    for output_id in (output.id, "no such output"):
        with pytest.raises(NotFound):
            store.drafts.add_version(bobs.id, bob.id, text("x", output_id), "generated", 0)


def test_unknown_reason_and_status(store: Store, ada: Account, draft: Draft) -> None:
    with pytest.raises(BadInput):
        store.drafts.add_version(draft.id, ada.id, {}, "whim", 0)  # type: ignore[arg-type]
    with pytest.raises(BadInput):
        store.drafts.add_version(draft.id, ada.id, {}, "edited", 0, "lost")  # type: ignore[arg-type]


def test_recent_shows_the_last_changed_first(store: Store, ada: Account, draft: Draft) -> None:
    second = store.drafts.create(ada.id, store.admissions.save(ada.id, Admission("2", title="B")))
    untouched = store.drafts.create(ada.id, draft.admission_id)
    store.drafts.add_version(second.id, ada.id, text("b"), "generated", 0)
    store.drafts.add_version(draft.id, ada.id, text("a"), "generated", 0)
    store.drafts.add_version(draft.id, ada.id, text("a!"), "edited", 1, "signed")
    recent = store.drafts.recent(ada.id)
    assert [line.draft for line in recent] == [draft, second, untouched]
    assert [line.version for line in recent] == [2, 1, 0]
    assert [line.status for line in recent] == ["signed", "draft", "draft"]
    assert [line.hadm_id for line in recent] == ["100001", "2", "100001"]
    assert recent[1].title == "B"
    assert recent[2].changed_at == untouched.created_at
    latest = store.drafts.latest(ada.id, draft.id)
    assert latest is not None
    assert recent[0].changed_at == latest.created_at
    assert store.drafts.recent(ada.id, 1) == recent[:1]
    assert store.drafts.recent(ada.id, 0) == ()
