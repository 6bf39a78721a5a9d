"""Accounts, API tokens, sign-in links and web sessions."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from threading import Barrier

import pytest

from serving.errors import BadInput, Conflict, NotFound
from serving.store import Store
from serving.store.records import Account

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
WEEK = timedelta(days=7)


def test_ensure_makes_once_and_sets_the_role(store: Store) -> None:
    first = store.accounts.ensure("ada", "clinician")
    again = store.accounts.ensure("ada", "admin")
    assert again.id == first.id
    assert again.created_at == first.created_at
    assert (first.role, again.role) == ("clinician", "admin")
    assert store.accounts.get(first.id) == again == store.accounts.by_name("ada")
    assert store.accounts.all() == (again,)
    assert first.created_at.tzinfo is UTC


@pytest.mark.parametrize(("name", "role"), [("", "admin"), (" \t", "admin"), ("ada", "root")])
def test_ensure_refuses(store: Store, name: str, role: str) -> None:
    with pytest.raises(BadInput):
        store.accounts.ensure(name, role)  # type: ignore[arg-type]
    assert store.accounts.all() == ()


def test_ensure_from_many_threads_makes_one(store: Store) -> None:
    with ThreadPoolExecutor(10) as pool:
        made = list(pool.map(lambda _: store.accounts.ensure("ada", "admin").id, range(20)))
    assert len(set(made)) == 1


def test_unknown_account(store: Store) -> None:
    with pytest.raises(NotFound):
        store.accounts.get(999)
    assert store.accounts.by_name("nobody") is None
    with pytest.raises(NotFound):
        store.accounts.add_token(999, "laptop", "d" * 64, "wxyz")
    with pytest.raises(NotFound):
        store.accounts.add_link(999, "d" * 64, NOON, NOON + HOUR)
    with pytest.raises(NotFound):
        store.accounts.start_session(999, "d" * 64, NOON)


def test_token_opens_its_account_until_it_expires(store: Store, ada: Account) -> None:
    store.accounts.add_token(ada.id, "laptop", "d" * 64, "wxyz", NOON + HOUR)
    assert store.accounts.by_token("d" * 64, NOON) == ada
    assert store.accounts.by_token("e" * 64, NOON) is None
    assert store.accounts.by_token("d" * 64, NOON + HOUR) is None


def test_token_without_expiry_lasts_until_revoked(store: Store, ada: Account, bob: Account) -> None:
    token = store.accounts.add_token(ada.id, "laptop", "d" * 64, "secretwxyz")
    assert token.last4 == "wxyz"
    assert store.accounts.by_token("d" * 64, NOON + 1000 * WEEK) == ada
    with pytest.raises(NotFound):
        store.accounts.revoke_token(bob.id, token.id)
    assert store.accounts.by_token("d" * 64, NOON) == ada
    store.accounts.revoke_token(ada.id, token.id)
    assert store.accounts.by_token("d" * 64, NOON) is None
    (shown,) = store.accounts.tokens(ada.id)
    assert shown.revoked_at is not None
    store.accounts.revoke_token(ada.id, token.id)
    assert store.accounts.tokens(ada.id) == (shown,)
    assert store.accounts.tokens(bob.id) == ()


def test_token_digest_is_unique(store: Store, ada: Account, bob: Account) -> None:
    store.accounts.add_token(ada.id, "laptop", "d" * 64, "wxyz")
    with pytest.raises(Conflict):
        store.accounts.add_token(bob.id, "laptop", "d" * 64, "wxyz")
    assert store.accounts.by_token("d" * 64, NOON) == ada


def test_link_is_redeemed_once(store: Store, ada: Account) -> None:
    store.accounts.add_link(ada.id, "d" * 64, NOON, NOON + HOUR)
    assert store.accounts.redeem("e" * 64, NOON) is None
    assert store.accounts.redeem("d" * 64, NOON) == ada
    assert store.accounts.redeem("d" * 64, NOON) is None


def test_link_expires(store: Store, ada: Account) -> None:
    store.accounts.add_link(ada.id, "d" * 64, NOON, NOON + HOUR)
    assert store.accounts.redeem("d" * 64, NOON + HOUR) is None
    with pytest.raises(BadInput):
        store.accounts.add_link(ada.id, "e" * 64, NOON, NOON)


def test_of_simultaneous_redeems_one_wins(store: Store, ada: Account) -> None:
    for attempt in range(5):
        digest = f"{attempt}" * 64
        store.accounts.add_link(ada.id, digest, NOON, NOON + HOUR)
        together = Barrier(8)

        def redeem(digest: str = digest, together: Barrier = together) -> Account | None:
            together.wait()
            return store.accounts.redeem(digest, NOON)

        with ThreadPoolExecutor(8) as pool:
            results = [future.result() for future in [pool.submit(redeem) for _ in range(8)]]
        assert [result for result in results if result is not None] == [ada]


def test_session_lives_while_used(store: Store, ada: Account) -> None:
    store.accounts.start_session(ada.id, "s" * 64, NOON)

    def account(at: datetime) -> Account | None:
        return store.accounts.by_session("s" * 64, at, idle=HOUR, lifetime=timedelta(hours=3))

    assert account(NOON + 0.9 * HOUR) == ada
    assert account(NOON + 1.8 * HOUR) == ada  # used in between
    assert account(NOON + 2.9 * HOUR) is None  # idle
    assert account(NOON + 2.7 * HOUR) == ada
    assert account(NOON + 3.1 * HOUR) is None  # too old, though just used


def test_session_ends(store: Store, ada: Account) -> None:
    for name in "stu":
        store.accounts.start_session(ada.id, name * 64, NOON)

    def open_sessions() -> list[str]:
        found = store.accounts.by_session
        return [n for n in "stux" if found(n * 64, NOON, idle=HOUR, lifetime=WEEK)]

    assert open_sessions() == ["s", "t", "u"]
    store.accounts.end_session("s" * 64, NOON)
    assert open_sessions() == ["t", "u"]
    store.accounts.end_sessions(ada.id, NOON)
    assert open_sessions() == []


def test_times_come_back_in_utc_whatever_zone_they_had(store: Store, ada: Account) -> None:
    vienna = timezone(timedelta(hours=2))
    expiry = datetime(2026, 5, 1, 14, 0, 0, 123456, tzinfo=vienna)
    token = store.accounts.add_token(ada.id, "laptop", "d" * 64, "wxyz", expiry)
    (kept,) = store.accounts.tokens(ada.id)
    assert kept == token
    assert kept.expires_at == expiry
    assert kept.expires_at is not None
    assert kept.expires_at.utcoffset() == timedelta(0)
    assert kept.expires_at.microsecond == 123456


def test_times_without_a_zone_are_refused(store: Store, ada: Account) -> None:
    naive = datetime(2026, 5, 1)
    with pytest.raises(BadInput, match="time zone"):
        store.accounts.add_token(ada.id, "laptop", "d" * 64, "wxyz", naive)
