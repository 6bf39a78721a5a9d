"""Registered adapters and alias assignments."""

import pytest

from serving.errors import BadInput, NotFound
from serving.store import Store
from serving.store.records import Account, Adapter

DIGEST = "0123456789ab" + "c" * 52


def register(store: Store, digest: str = DIGEST, **changes: str) -> Adapter:
    values = {"alias": "ner-disease", "path": "models/ner", "base_digest": "b" * 64, "card": "# N"}
    return store.models.register(digest=digest, rank=16, **{**values, **changes})


def test_adapter_is_named_by_content(store: Store) -> None:
    made = register(store)
    assert made.name == "ner-disease@0123456789ab"
    assert store.models.adapter(made.name) == made
    assert store.models.adapters() == (made,)
    assert (made.rank, made.card) == (16, "# N")
    with pytest.raises(NotFound):
        store.models.adapter("ner-disease@ffffffffffff")


def test_registering_again_updates_path_and_card_only(store: Store) -> None:
    first = register(store)
    again = register(store, path="elsewhere", card="")
    assert again.registered_at == first.registered_at
    assert (again.path, again.card) == ("elsewhere", "")
    assert store.models.adapters() == (again,)


def test_a_name_is_never_reused_for_other_content(store: Store) -> None:
    register(store)
    with pytest.raises(BadInput, match="other content"):
        register(store, DIGEST[:12] + "d" * 52)
    with pytest.raises(BadInput, match="other content"):
        register(store, base_digest="e" * 64)
    for digest in ("", "abc", "Z" * 64):
        with pytest.raises(BadInput, match="SHA-256"):
            register(store, digest)


def test_assignments_are_a_history(store: Store, ada: Account) -> None:
    adapter = register(store)
    assign = store.models.assign
    base = assign("discharge", "smollm2", None, ada.id)
    old = assign("ner-disease", "smollm2", None, ada.id)
    new = assign("ner-disease", adapter.name, adapter.digest, ada.id)
    assert store.models.current() == {"discharge": base, "ner-disease": new}
    assert store.models.history() == (new, old, base)
    assert store.models.history("ner-disease") == (new, old)
    assert store.models.history("none") == ()
    assert new.account_id == ada.id


def test_assignment_of_the_unknown_is_refused(store: Store, ada: Account) -> None:
    with pytest.raises(NotFound):
        store.models.assign("ner", "smollm2", "f" * 64, ada.id)
    with pytest.raises(NotFound):
        store.models.assign("ner", "smollm2", None, 999)
    with pytest.raises(BadInput):
        store.models.assign("", "smollm2", None, ada.id)
    assert store.models.current() == {}
