"""Whose passages a question may reach: each owner and patient has a collection of their own."""

import hashlib
import json
from dataclasses import dataclass
from typing import Literal

Kind = Literal["reference", "documents", "admission"]


@dataclass(frozen=True, slots=True)
class Scope:
    """One collection. Two scopes that differ in anything never share one.

    account: the owner's id, None for what all may read; admission: the hadm_id of the stay.
    """

    kind: Kind
    account: int | None = None
    admission: str | None = None

    @property
    def collection(self) -> str:
        """Return the collection's name: within Chroma's rules, and telling nothing of whose."""
        # JSON, so that no account and admission can be joined to look like two others.
        key = json.dumps([self.kind, self.account, self.admission])
        return f"{self.kind}-{hashlib.sha256(key.encode()).hexdigest()[:40]}"


REFERENCE = Scope("reference")


def documents_of(account: int) -> Scope:
    """Return the scope of the documents that an account has added."""
    return Scope("documents", account)


def notes_of(account: int, hadm_id: str) -> Scope:
    """Return the scope of one patient's stay as one account has opened it."""
    return Scope("admission", account, hadm_id)
