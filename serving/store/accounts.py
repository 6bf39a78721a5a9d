"""Accounts and their API tokens. `Accounts` adds the sign-in of sign_in.py."""

from datetime import datetime
from typing import get_args

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from serving.errors import NotFound
from serving.store import models
from serving.store.records import Account, Role, Token
from serving.store.sign_in import SignIn
from serving.store.topic import insert_missing, record, require_name, require_one_of
from serving.store.types import now


class Accounts(SignIn):
    """People and programs that use Rounds, and what they sign in with.

    Secrets never reach the store: tokens, links and sessions are kept by their SHA-256.
    """

    def ensure(self, name: str, role: Role) -> Account:
        """Return the account of this name, made if missing, with this role from now on.

        Raises BadInput for a blank name or an unknown role.
        """
        require_name("account name", name)
        require_one_of("role", role, get_args(Role))
        with self._db.writing() as session:
            insert_missing(session, models.Account, name=name, role=role, created_at=now())
            row = session.scalars(
                select(models.Account).where(models.Account.name == name).with_for_update()
            ).one()
            row.role = role
            return record(Account, row)

    def get(self, account_id: int) -> Account:
        """Return the account; raise NotFound where there is none."""
        with self._db.reading() as session:
            return record(Account, _account(session, account_id))

    def by_name(self, name: str) -> Account | None:
        """Return the account of this name, or None."""
        with self._db.reading() as session:
            row = session.scalars(
                select(models.Account).where(models.Account.name == name)
            ).one_or_none()
            return record(Account, row) if row else None

    def all(self) -> tuple[Account, ...]:
        """Return every account, by name."""
        with self._db.reading() as session:
            rows = session.scalars(select(models.Account).order_by(models.Account.name))
            return tuple(record(Account, row) for row in rows)

    def add_token(
        self,
        account_id: int,
        name: str,
        digest: str,
        last4: str,
        expires_at: datetime | None = None,
    ) -> Token:
        """Keep a new API token by its SHA-256 `digest`; `last4` are its last characters, to show.

        expires_at: None never expires. Raises NotFound for an unknown account, BadInput for a
        blank name, Conflict where the digest is taken.
        """
        require_name("token name", name)
        with self._db.writing() as session:
            row = models.ApiToken(
                account_id=_account(session, account_id).id,
                name=name,
                digest=digest,
                last4=last4[-4:],
                created_at=now(),
                expires_at=expires_at,
            )
            session.add(row)
            session.flush()
            return record(Token, row)

    def by_token(self, digest: str, now: datetime) -> Account | None:
        """Return whose token this is; None where unknown, expired or revoked at `now`."""
        token = models.ApiToken
        with self._db.reading() as session:
            row = session.scalars(
                select(models.Account)
                .join(token, token.account_id == models.Account.id)
                .where(token.digest == digest, token.revoked_at.is_(None))
                .where(or_(token.expires_at.is_(None), token.expires_at > now))
            ).one_or_none()
            return record(Account, row) if row else None

    def tokens(self, account_id: int) -> tuple[Token, ...]:
        """Return the account's tokens, newest first, the revoked and expired ones included."""
        with self._db.reading() as session:
            rows = session.scalars(
                select(models.ApiToken)
                .where(models.ApiToken.account_id == account_id)
                .order_by(models.ApiToken.id.desc())
            )
            return tuple(record(Token, row) for row in rows)

    def revoke_token(self, account_id: int, token_id: int) -> None:
        """End the token at once; raise NotFound unless it is this account's."""
        with self._db.writing() as session:
            token = session.get(models.ApiToken, token_id)
            if token is None or token.account_id != account_id:
                raise NotFound("There is no such token.")
            session.execute(
                update(models.ApiToken)
                .where(models.ApiToken.id == token_id, models.ApiToken.revoked_at.is_(None))
                .values(revoked_at=now())
            )


def _account(session: Session, account_id: int) -> models.Account:
    row = session.get(models.Account, account_id)
    if row is None:
        raise NotFound("There is no such account.")
    return row
