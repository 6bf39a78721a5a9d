"""What a route says about who may use it: `account: Annotated[Account, clinicians]`."""

from typing import Any

from fastapi import Depends, Request

from serving.errors import NotAllowed, NotSignedIn
from serving.store.records import Account, Role


def account_of(request: Request) -> Account | None:
    """Return who asks, as the gate found out."""
    account: Account | None = request.scope.get("state", {}).get("account")
    return account


def current_account(request: Request) -> Account:
    """Return who asks; raise NotSignedIn (a route that the gate leaves open, say)."""
    account = account_of(request)
    if account is None:
        raise NotSignedIn("Sign in, or send an API token as `Authorization: Bearer …`.")
    return account


def require(*roles: Role) -> Any:
    """Return a dependency that gives the account and raises NotAllowed for other roles.

    On loopback the admin, who is the person at this machine, may do everything.
    """

    def check(request: Request) -> Account:
        account = current_account(request)
        alone = request.app.state.loopback and account.role == "admin"
        if account.role not in roles and not alone:
            raise NotAllowed(f"This needs the role {' or '.join(roles)}; yours is {account.role}.")
        return account

    return Depends(check)
