from pathlib import Path

import pytest

from serving.accounts.binding import (
    NotSafeToStart,
    allowed_hosts,
    check_binding,
    is_loopback,
    page_url,
)
from serving.accounts.sign_in import create_token, local_account
from serving.settings import Settings
from serving.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(f"sqlite:///{tmp_path}/rounds.db")
    store.migrate()
    return store


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("localhost", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.4", False),
        ("localhost.example.org", False),
        ("", False),
    ],
)
def test_what_is_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_loopback_starts_without_more(store: Store) -> None:
    check_binding(Settings(host="127.0.0.1"), store)


def test_beyond_loopback_everything_must_be_prepared(store: Store) -> None:
    with pytest.raises(NotSafeToStart) as caught:
        check_binding(Settings(host="0.0.0.0"), store)
    for name in ("ROUNDS_ALLOW_REMOTE", "ROUNDS_ALLOWED_HOSTS", "rounds token create"):
        assert name in str(caught.value)
    meant = Settings(host="0.0.0.0", allow_remote=True, allowed_hosts=("rounds.example.org",))
    with pytest.raises(NotSafeToStart, match="token"):
        check_binding(meant, store)
    account = local_account(store)
    _, token = create_token(store, account, "first")
    check_binding(meant, store)
    store.accounts.revoke_token(account.id, token.id)
    with pytest.raises(NotSafeToStart, match="token"):
        check_binding(meant, store)


def test_only_loopback_names_with_our_port_are_answered() -> None:
    assert allowed_hosts(Settings(port=7860)) == {"127.0.0.1:7860", "localhost:7860", "[::1]:7860"}
    assert "localhost" in allowed_hosts(Settings(port=80))
    remote = Settings(host="0.0.0.0", allowed_hosts=("Rounds.example.org",))
    assert allowed_hosts(remote) == {"rounds.example.org"}


def test_links_lead_to_where_people_reach_us() -> None:
    named = Settings(host="0.0.0.0", allowed_hosts=("rounds.example.org", "127.0.0.1:7860"))
    assert page_url(Settings(port=7861)) == "http://127.0.0.1:7861"
    assert page_url(named) == "http://rounds.example.org"
