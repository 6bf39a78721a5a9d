"""The store: one object through which everything is kept and found again.

All methods are synchronous; callers in an event loop use `asyncio.to_thread`. They are safe
to call from many threads, and several processes may share one database. Every method raises
StoreUnavailable where the database is locked, unreachable or not writable.
"""

from types import TracebackType

from sqlalchemy import text

from serving.store.accounts import Accounts
from serving.store.adapters import Models
from serving.store.admissions import Admissions
from serving.store.annotations import Annotations
from serving.store.database import Database
from serving.store.drafts import Drafts
from serving.store.migrate import revisions, upgrade
from serving.store.outputs import Outputs
from serving.store.ratings import Ratings


class Store:
    """Everything Rounds keeps, by topic: `store.drafts.recent(owner)` and so on.

    url: `sqlite:///path/to/file.db` or `postgresql://user:password@host/database`.
    busy_timeout_s: how long to wait for another's lock before StoreUnavailable, in seconds.
    Call `migrate` before first use and `close` at the end (or use `with`).
    """

    def __init__(self, url: str, busy_timeout_s: float = 30.0) -> None:
        self._database = Database(url, busy_timeout_s)
        self.accounts = Accounts(self._database)
        self.admissions = Admissions(self._database)
        self.outputs = Outputs(self._database)
        self.drafts = Drafts(self._database)
        self.annotations = Annotations(self._database)
        self.ratings = Ratings(self._database)
        self.models = Models(self._database)

    @property
    def address(self) -> str:
        """Return the database's URL for showing, its password hidden."""
        return self._database.url.render_as_string(hide_password=True)

    def migrate(self) -> None:
        """Make the tables, or bring them up to date; safe when several processes start at once."""
        upgrade(self._database)

    def revisions(self) -> tuple[str | None, str]:
        """Return the schema's revision in the database (None: no tables yet), and the newest."""
        return revisions(self._database)

    def ping(self) -> None:
        """Return when the database answers; raise StoreUnavailable otherwise."""
        with self._database.reading() as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        """Close every connection to the database."""
        self._database.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
