"""Sign-in: one-time links, and the web sessions they open. Only digests are kept."""

from datetime import datetime, timedelta

from sqlalchemy import update

from serving.errors import BadInput, NotFound
from serving.store import models
from serving.store.records import Account
from serving.store.topic import Topic, record

# A session's last use is written down at most this often, not at every click.
_TOUCH_EVERY = timedelta(minutes=1)


class SignIn(Topic):
    """One-time links and web sessions, each known by the SHA-256 of its secret."""

    def add_link(self, account_id: int, digest: str, now: datetime, expires_at: datetime) -> None:
        """Keep a one-time sign-in code until `expires_at`.

        Raises NotFound for an unknown account, BadInput where it would expire before `now`.
        """
        if expires_at <= now:
            raise BadInput("A sign-in link must expire later than now.")
        with self._db.writing() as session:
            if session.get(models.Account, account_id) is None:
                raise NotFound("There is no such account.")
            session.add(
                models.SignInLink(
                    digest=digest, account_id=account_id, created_at=now, expires_at=expires_at
                )
            )

    def redeem(self, digest: str, now: datetime) -> Account | None:
        """Use the code up and return whose it is; None where unknown, expired or used.

        Of several who redeem the same code at the same time exactly one gets the account.
        """
        link = models.SignInLink
        with self._db.writing() as session:
            account_id = session.scalars(
                update(link)
                .where(link.digest == digest, link.used_at.is_(None), link.expires_at > now)
                .values(used_at=now)
                .returning(link.account_id)
            ).one_or_none()
            if account_id is None:
                return None
            return record(Account, session.get_one(models.Account, account_id))

    def start_session(self, account_id: int, digest: str, now: datetime) -> None:
        """Open a web session; raise NotFound for an unknown account."""
        with self._db.writing() as session:
            if session.get(models.Account, account_id) is None:
                raise NotFound("There is no such account.")
            session.add(
                models.WebSession(
                    digest=digest, account_id=account_id, created_at=now, last_seen_at=now
                )
            )

    def by_session(
        self, digest: str, now: datetime, *, idle: timedelta, lifetime: timedelta
    ) -> Account | None:
        """Return whose session this is, and note that it was used at `now`.

        None where it is unknown, ended, unused for longer than `idle`, or opened longer than
        `lifetime` ago.
        """
        with self._db.reading() as session:
            row = session.get(models.WebSession, digest)
            if row is None or row.ended_at is not None:
                return None
            if now - row.last_seen_at > idle or now - row.created_at > lifetime:
                return None
            account = record(Account, session.get_one(models.Account, row.account_id))
            touch = now - row.last_seen_at >= min(_TOUCH_EVERY, idle / 4)
        if touch:
            self._touch(digest, now)
        return account

    def end_session(self, digest: str, now: datetime) -> None:
        """End the session; one that is unknown or over stays as it is."""
        over = models.WebSession
        with self._db.writing() as session:
            session.execute(
                update(over)
                .where(over.digest == digest, over.ended_at.is_(None))
                .values(ended_at=now)
            )

    def end_sessions(self, account_id: int, now: datetime) -> None:
        """End all sessions of the account."""
        over = models.WebSession
        with self._db.writing() as session:
            session.execute(
                update(over)
                .where(over.account_id == account_id, over.ended_at.is_(None))
                .values(ended_at=now)
            )

    def _touch(self, digest: str, now: datetime) -> None:
        seen = models.WebSession
        with self._db.writing() as session:
            session.execute(
                update(seen)
                .where(seen.digest == digest, seen.last_seen_at < now)
                .values(last_seen_at=now)
            )
