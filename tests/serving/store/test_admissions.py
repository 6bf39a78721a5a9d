"""Admissions: kept whole, once, and for their owner alone."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from serving.errors import BadInput, NotFound
from serving.notes import Admission, Note
from serving.store import Store
from serving.store.records import Account


def test_comes_back_exactly(store: Store, ada: Account, admission: Admission) -> None:
    assert store.admissions.get(ada.id, store.admissions.save(ada.id, admission)) == admission


def test_saving_again_returns_the_same(store: Store, ada: Account, admission: Admission) -> None:
    first = store.admissions.save(ada.id, admission)
    assert store.admissions.save(ada.id, replace(admission)) == first
    changed = replace(admission, notes=(*admission.notes, Note("n3", "Nursing", "", "more")))
    assert store.admissions.save(ada.id, changed) != first
    assert len(store.admissions.list(ada.id)) == 2


def test_saving_from_many_threads_keeps_one(
    store: Store, ada: Account, admission: Admission
) -> None:
    with ThreadPoolExecutor(10) as pool:
        ids = list(pool.map(lambda _: store.admissions.save(ada.id, admission), range(20)))
    assert len(set(ids)) == 1


def test_belongs_to_its_owner(
    store: Store, ada: Account, bob: Account, admission: Admission
) -> None:
    adas = store.admissions.save(ada.id, admission)
    with pytest.raises(NotFound) as another:
        store.admissions.get(bob.id, adas)
    with pytest.raises(NotFound) as missing:
        store.admissions.get(bob.id, 999)
    assert str(another.value) == str(missing.value)
    assert store.admissions.list(bob.id) == ()
    bobs = store.admissions.save(bob.id, admission)
    assert bobs != adas
    assert store.admissions.get(bob.id, bobs) == admission


def test_list_is_newest_first_without_notes(
    store: Store, ada: Account, admission: Admission
) -> None:
    old = store.admissions.save(ada.id, admission)
    new = store.admissions.save(ada.id, Admission(hadm_id="2", title="No notes"))
    first, second = store.admissions.list(ada.id)
    assert (first.id, second.id) == (new, old)
    assert (second.hadm_id, second.title) == (admission.hadm_id, admission.title)
    assert (second.note_count, second.synthetic, second.digest) == (2, True, admission.digest())
    assert (first.note_count, first.synthetic) == (0, False)
    assert first.created_at >= second.created_at


def test_unknown_owner(store: Store, admission: Admission) -> None:
    with pytest.raises(NotFound):
        store.admissions.save(999, admission)


def test_half_a_surrogate_pair_is_refused_without_quoting_it(store: Store, ada: Account) -> None:
    bad = Admission(hadm_id="1", notes=(Note("n", "Nursing", "", "PATIENT \ud83d"),))
    with pytest.raises(BadInput) as refusal:
        store.admissions.save(ada.id, bad)
    assert "PATIENT" not in str(refusal.value)
    assert store.admissions.list(ada.id) == ()


def test_a_number_beyond_the_database_is_not_found(store: Store, ada: Account) -> None:
    for owner, number in ((ada.id, 10**30), (10**30, 1), (ada.id, 2**40)):
        with pytest.raises((NotFound, BadInput)):
            store.admissions.get(owner, number)


def test_a_large_admission_comes_back(store: Store, ada: Account) -> None:
    large = Admission(hadm_id="1", notes=(Note("n", "Nursing", "", "ä😀\n" * 1_000_000),))
    assert store.admissions.get(ada.id, store.admissions.save(ada.id, large)) == large
