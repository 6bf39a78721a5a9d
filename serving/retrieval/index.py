"""What a question is searched in: the shipped collection, a user's documents, a patient's notes.

The shipped collection and users' documents live in Chroma under the home folder (0700), or on
a Chroma server. Patients' notes are indexed when they are asked about and held in memory only:
they never reach Chroma's files, nor a Chroma server, which knows no accounts.
"""

import threading
import uuid
from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from serving.errors import NotFound, RoundsError
from serving.notes import Admission
from serving.retrieval.collections import Collections, Entry, Passage
from serving.retrieval.documents import Document, from_note, read_document
from serving.retrieval.embedding import LocalEmbeddings
from serving.retrieval.scopes import REFERENCE, Scope, documents_of, notes_of
from serving.settings import Settings

SHIPPED = Path(__file__).parents[1] / "demo" / "collection"
# Stays held in memory at once; the one asked about longest ago makes room.
_STAYS = 64


class IndexUnavailable(RoundsError):
    """The Chroma server does not answer."""

    status = 503


class Index:
    """Search over scopes. Thread-safe; calls block, so use asyncio.to_thread in a loop."""

    def __init__(
        self, settings: Settings, embeddings: LocalEmbeddings | None = None, shipped: Path = SHIPPED
    ) -> None:
        """Prepare; nothing is loaded or connected before the first use.

        shipped: a folder of Markdown files that everyone may ask about.
        """
        self._settings = settings
        self._shipped = shipped
        self.embeddings = embeddings or LocalEmbeddings(_model_folder(settings))
        self._held: OrderedDict[Scope, None] = OrderedDict()
        self._locks: defaultdict[Scope, threading.RLock] = defaultdict(threading.RLock)
        self._kept = _kept(settings, self.embeddings)
        # All in-memory clients of a process share one memory; the salt keeps indexes apart.
        salt = f"{uuid.uuid4().hex}-"
        self._memory = Collections(_in_memory, self.embeddings, salt=salt)

    # --- documents that users add ----------------------------------------------------

    def add_document(self, account: int, document: Document) -> None:
        """Add a document to an account's own, or write it anew; it is found from now on."""
        scope = documents_of(account)
        with self._using(scope) as collections:
            collections.add(scope, document)

    def delete_document(self, account: int, document_id: str) -> None:
        """Delete one of an account's documents. Raises NotFound where it has no such."""
        scope = documents_of(account)
        with self._using(scope) as collections:
            if all(entry.id != document_id for entry in collections.entries(scope)):
                raise NotFound("There is no such document; it may have been deleted already.")
            collections.delete(scope, [document_id])

    def documents(self, account: int) -> list[Entry]:
        """Return the documents that an account has added, by title."""
        return self._entries(documents_of(account))

    # --- what is shipped -------------------------------------------------------------

    def reference(self) -> list[Entry]:
        """Return the documents of the shipped collection, by title."""
        return self._entries(REFERENCE)

    def _shipped_documents(self) -> list[Document]:
        paths = sorted(self._shipped.glob("*.md"))
        return [read_document(path.name, path.read_bytes()) for path in paths]

    # --- patients' notes -------------------------------------------------------------

    def hold_notes(self, account: int, admission: Admission) -> Scope:
        """Index an admission's notes for an account; quick where they are held already."""
        scope = notes_of(account, admission.hadm_id)
        with self._using(scope) as collections:
            collections.hold(scope, map(from_note, admission.notes))
        return scope

    def forget_notes(self, account: int, hadm_id: str) -> None:
        """Drop an admission's notes from memory."""
        self._forget(notes_of(account, hadm_id))

    # --- asking ----------------------------------------------------------------------

    def search(
        self,
        scopes: Sequence[Scope],
        query: str,
        k: int = 5,
        admission: Admission | None = None,
        note_ids: Collection[str] | None = None,
    ) -> list[Passage]:
        """Return the k passages of these scopes that are nearest to the query, best first.

        admission: whose notes an admission scope stands for; note_ids: only these of them.
        Nothing outside the given scopes can come back. Raises IndexUnavailable.
        """
        vector = self.embeddings.embed_query(query)
        found: list[Passage] = []
        for scope in dict.fromkeys(scopes):
            with self._using(scope) as collections:
                if scope.kind == "admission":
                    if admission is None or admission.hadm_id != scope.admission:
                        raise ValueError("an admission scope needs its admission")
                    collections.hold(scope, map(from_note, admission.notes))
                    found += collections.search(scope, vector, k, note_ids)
                else:
                    found += collections.search(scope, vector, k)
        return sorted(found, key=lambda passage: -passage.score)[:k]

    def text(self, scope: Scope, document_id: str) -> str:
        """Return the whole text that a passage's offsets refer to. Raises NotFound."""
        with self._using(scope) as collections:
            text = collections.text(scope, document_id)
        if text is None:
            raise NotFound("There is no such document; it may have been deleted.")
        return text

    def warm(self) -> None:
        """Load the model and the shipped collection, so that the first question is quick."""
        self.search([REFERENCE], "warm-up", k=1)

    def close(self) -> None:
        """Drop all patients' notes from memory and let go of Chroma; the next use opens it anew."""
        for scope in list(self._held):
            self._forget(scope)
        self._memory.close()
        self._kept.close()

    def _entries(self, scope: Scope) -> list[Entry]:
        with self._using(scope) as collections:
            return collections.entries(scope)

    @contextmanager
    def _using(self, scope: Scope) -> Iterator[Collections]:
        """Lock a scope and give the collections it is in, ready to be used."""
        import httpx

        try:
            with self._locks[scope]:
                if scope.kind == "admission":
                    self._held[scope] = None
                    self._held.move_to_end(scope)
                    yield self._memory
                else:
                    yield self._reference if scope == REFERENCE else self._kept
        except httpx.HTTPError as error:
            raise _unreachable() from error
        self._make_room()

    def _make_room(self) -> None:
        while len(self._held) > _STAYS:
            self._forget(next(iter(self._held)))

    def _forget(self, scope: Scope) -> None:
        with self._locks[scope]:
            if scope in self._held:
                del self._held[scope]
                self._memory.drop(scope)

    @cached_property
    def _reference(self) -> Collections:
        """The kept collections, once the shipped one is what the folder holds today."""
        self._kept.hold(REFERENCE, self._shipped_documents())
        return self._kept


def _kept(settings: Settings, embeddings: LocalEmbeddings) -> Collections:
    if url := settings.chroma_url:
        return Collections(lambda: _server(url), embeddings)
    folder = settings.home / "chroma"
    return Collections(lambda: _embedded(folder), embeddings, folder)


def _embedded(folder: Path) -> Any:
    import chromadb

    return chromadb.PersistentClient(str(folder), _chroma_settings())


def _in_memory() -> Any:
    import chromadb

    return chromadb.EphemeralClient(_chroma_settings())


def _server(url: str) -> Any:
    import chromadb

    parts = urlsplit(url)
    ssl = parts.scheme == "https"
    port = parts.port or (443 if ssl else 80)
    try:
        return chromadb.HttpClient(parts.hostname or "", port, ssl, settings=_chroma_settings())
    except ValueError as error:
        raise _unreachable() from error


def _unreachable() -> IndexUnavailable:
    return IndexUnavailable(
        "The Chroma server (ROUNDS_CHROMA_URL) does not answer. Nothing was lost; "
        "check that it runs, then ask again."
    )


def _chroma_settings() -> Any:
    from chromadb.config import Settings as ChromaSettings

    return ChromaSettings(anonymized_telemetry=False)


def _model_folder(settings: Settings) -> Path:
    from serving.models.files import embedding_model_path

    return embedding_model_path(settings)
