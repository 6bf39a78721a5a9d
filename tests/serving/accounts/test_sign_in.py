from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from serving.accounts import sign_in as s
from serving.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(f"sqlite:///{tmp_path}/rounds.db")
    store.migrate()
    return store


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    monkeypatch.setattr(s, "_now", clock)
    return clock


def code_of(link: str) -> str:
    return link.split("code=")[1]


def test_a_link_works_once_and_opens_a_session_of_the_local_admin(store: Store) -> None:
    link = s.signin_link(store, "http://127.0.0.1:7860/")
    assert link.startswith("http://127.0.0.1:7860/signin?code=")
    secret = s.sign_in(store, code_of(link))
    assert secret is not None
    account = s.session_account(store, secret)
    assert account is not None
    assert (account.name, account.role) == ("local", "admin")
    assert s.sign_in(store, code_of(link)) is None


def test_links_are_never_the_same(store: Store) -> None:
    assert len({s.signin_link(store, "http://x") for _ in range(5)}) == 5


def test_a_link_runs_out_after_a_quarter_of_an_hour(store: Store, clock: Clock) -> None:
    code = code_of(s.signin_link(store, "http://x"))
    clock.now += timedelta(minutes=15, seconds=1)
    assert s.sign_in(store, code) is None


@pytest.mark.parametrize("wrong", ["", "x", "rnd_" + "a" * 43, "\x00", "é" * 50])
def test_wrong_secrets_open_nothing(store: Store, wrong: str) -> None:
    s.signin_link(store, "http://x")
    assert s.sign_in(store, wrong) is None
    assert s.session_account(store, wrong) is None
    assert s.token_account(store, wrong) is None


def test_a_session_ends_by_signing_out_by_idling_and_by_age(store: Store, clock: Clock) -> None:
    def signed_in() -> str:
        secret = s.sign_in(store, code_of(s.signin_link(store, "http://x")))
        assert secret is not None
        return secret

    first = signed_in()
    s.sign_out(store, first)
    assert s.session_account(store, first) is None
    idle = signed_in()
    clock.now += timedelta(hours=13)
    assert s.session_account(store, idle) is None
    busy = signed_in()
    for _ in range(16):
        assert s.session_account(store, busy) is not None
        clock.now += timedelta(hours=11)
    assert s.session_account(store, busy) is None  # a week has passed


def test_tokens_are_kept_by_digest_and_can_expire(
    store: Store, clock: Clock, tmp_path: Path
) -> None:
    account = s.local_account(store)
    secret, kept = s.create_token(store, account, "script", timedelta(days=1))
    assert secret.startswith("rnd_")
    assert kept.last4 == secret[-4:]
    found = s.token_account(store, secret)
    assert found is not None
    assert found.id == account.id
    files = b"".join(p.read_bytes() for p in tmp_path.iterdir())
    assert secret.encode() not in files
    clock.now += timedelta(days=2)
    assert s.token_account(store, secret) is None
