"""Signing in by a one-time link, staying signed in by a session, and API tokens.

All functions talk to the store and block; callers in an event loop use `asyncio.to_thread`.
"""

from datetime import UTC, datetime, timedelta

from serving.accounts.secrets import TOKEN_PREFIX, digest, new_secret
from serving.store import Store
from serving.store.records import Account, Token

LOCAL = "local"  # the built-in account of the person at this machine
LINK_LIFETIME = timedelta(minutes=15)
SESSION_IDLE = timedelta(hours=12)  # a shift
SESSION_LIFETIME = timedelta(days=7)


def local_account(store: Store) -> Account:
    """Return the built-in account; on loopback its role, admin, may do everything."""
    return store.accounts.ensure(LOCAL, "admin")


def signin_link(store: Store, base_url: str) -> str:
    """Return a link that signs one browser in as the built-in account, once, within 15 minutes."""
    code, now = new_secret(), _now()
    store.accounts.add_link(local_account(store).id, digest(code), now, now + LINK_LIFETIME)
    return f"{base_url.rstrip('/')}/signin?code={code}"


def sign_in(store: Store, code: str) -> str | None:
    """Use a one-time code up and open a session; return the session's secret for the cookie.

    None where the code is unknown, used or expired.
    """
    account = store.accounts.redeem(digest(code), _now())
    if account is None:
        return None
    secret = new_secret()  # always a new one: a planted cookie never becomes a signed-in one
    store.accounts.start_session(account.id, digest(secret), _now())
    return secret


def sign_out(store: Store, secret: str) -> None:
    """End the session."""
    store.accounts.end_session(digest(secret), _now())


def session_account(store: Store, secret: str) -> Account | None:
    """Return whose live session this is."""
    return store.accounts.by_session(
        digest(secret), _now(), idle=SESSION_IDLE, lifetime=SESSION_LIFETIME
    )


def create_token(
    store: Store, account: Account, name: str, lifetime: timedelta | None = None
) -> tuple[str, Token]:
    """Make an API token; the secret is returned now and never again.

    lifetime: None never expires. Raises BadInput for a blank or overlong name.
    """
    secret = new_secret(TOKEN_PREFIX)
    expires_at = _now() + lifetime if lifetime else None
    kept = store.accounts.add_token(account.id, name, digest(secret), secret[-4:], expires_at)
    return secret, kept


def token_account(store: Store, secret: str) -> Account | None:
    """Return whose valid API token this is."""
    if not secret.startswith(TOKEN_PREFIX):
        return None
    return store.accounts.by_token(digest(secret), _now())


def any_token(store: Store) -> bool:
    """Tell whether someone has an API token that is still valid."""
    now = _now()
    return any(
        token.revoked_at is None and (token.expires_at is None or token.expires_at > now)
        for account in store.accounts.all()
        for token in store.accounts.tokens(account.id)
    )


def _now() -> datetime:
    return datetime.now(UTC)
