"""Passages in Chroma: a collection for each scope; documents come and go as wholes."""

import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serving.retrieval.chunks import Chunk, split
from serving.retrieval.documents import Document
from serving.retrieval.embedding import LocalEmbeddings
from serving.retrieval.scopes import Scope
from serving.retrieval.turns import Turns

if TYPE_CHECKING:
    from langchain_chroma import Chroma

# Moves when the splitting, or what is embedded, changes; see `Collections.hold`.
VERSION = 1
# Small, so that a question need not wait long while someone else's document is embedded.
_BATCH = 16
_VACUUM_WAIT_S = 60

# A threshold of 2 has Chroma empty its write-ahead log, which holds texts, after each write.
_CONFIGURATION: Any = {"hnsw": {"space": "cosine", "sync_threshold": 2, "batch_size": 2}}


@dataclass(frozen=True, slots=True)
class Passage:
    """A passage that was found, `document[start:end]`, offsets in characters.

    score: cosine similarity of question and passage, at most 1; note_id: of the patient's note
    it stands in, None elsewhere; page counts from 1.
    """

    document_id: str
    title: str = field(repr=False)
    text: str = field(repr=False)
    start: int
    end: int
    score: float
    scope: Scope
    note_id: str | None = None
    heading: str = field(default="", repr=False)
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A document that a collection holds; characters and passages are counts."""

    id: str
    title: str = field(repr=False)
    characters: int
    passages: int


class Collections:
    """All collections of one Chroma client. Calls block; use asyncio.to_thread in a loop."""

    def __init__(
        self,
        connect: Callable[[], Any],
        embeddings: LocalEmbeddings,
        folder: Path | None = None,
        salt: str = "",
    ) -> None:
        """Connect on first use.

        connect: returns a Chroma client; folder: where an embedded one keeps its files;
        salt: put before collection names.
        """
        self._connect = connect
        self._embeddings = embeddings
        self._folder = folder
        self._salt = salt
        self._turns = Turns(folder) if folder else None
        self._client: Any = None
        self._connecting = threading.Lock()

    def add(self, scope: Scope, document: Document) -> None:
        """Add a document, or write it anew if it is there; it can be found at once."""
        chunks = split(document, self._embeddings.count)
        for first in range(0, len(chunks), _BATCH):
            batch = chunks[first : first + _BATCH]
            with self._at(scope, writes=True) as store:
                store.add_texts(
                    [chunk.with_header(document.title) for chunk in batch],
                    [_metadata(document, chunk, len(chunks)) for chunk in batch],
                    [f"{document.id}:{chunk.start}" for chunk in batch],
                )

    def delete(self, scope: Scope, document_ids: Collection[str]) -> None:
        """Delete documents, from the index and, where it is embedded, from its files."""
        if not document_ids:
            return
        with self._at(scope, writes=True) as store:
            store.delete(where={"document": {"$in": list(document_ids)}})
            if self._folder is not None:
                # Chroma empties its log one write late: push out the words of the deleted.
                store.add_texts(["-"], [{"document": ""}], ["blank"])
                store.delete(["blank"])
                _shred(self._folder)

    def drop(self, scope: Scope) -> None:
        """Delete a whole collection."""
        with self._at(scope, writes=True) as store:
            store.delete_collection()
            if self._folder is not None:
                _shred(self._folder)

    def hold(self, scope: Scope, documents: Iterable[Document]) -> None:
        """Make the collection hold exactly these documents; what it holds already is kept.

        What an earlier VERSION wrote, or was interrupted in writing, is written anew.
        """
        wanted = {document.id: document for document in documents}
        with self._at(scope) as store:
            found = store.get(include=["metadatas"])["metadatas"]
        counts = Counter(m["document"] for m in found if m["version"] == VERSION)
        whole = {m["document"] for m in found if counts[m["document"]] == m["of"]}
        self.delete(scope, {m["document"] for m in found} - (whole & wanted.keys()))
        for document in wanted.values():
            if document.id not in whole:
                self.add(scope, document)

    def entries(self, scope: Scope) -> list[Entry]:
        """Return the documents of a collection, by title."""
        with self._at(scope) as store:
            first = store.get(where={"first": True}, include=["metadatas"])
        entries = [
            Entry(m["document"], m["title"], m["characters"], m["of"]) for m in first["metadatas"]
        ]
        return sorted(entries, key=lambda entry: (entry.title.lower(), entry.id))

    def text(self, scope: Scope, document_id: str) -> str | None:
        """Return a document's text, its passages put together again, or None where unknown."""
        with self._at(scope) as store:
            found = store.get(where={"document": document_id}, include=["metadatas", "documents"])
        pairs = zip(found["metadatas"], found["documents"], strict=True)
        text = ""
        for m, content in sorted(pairs, key=lambda pair: int(pair[0]["start"])):
            # Only blank stretches stand between passages.
            text = text.ljust(m["start"], "\n") + content[m["header"] :]
        return text or None

    def search(
        self, scope: Scope, vector: list[float], k: int, note_ids: Collection[str] | None = None
    ) -> list[Passage]:
        """Return the k passages nearest to a question's vector, best first."""
        if note_ids is not None and not note_ids:
            return []
        only: Any = None if note_ids is None else {"note": {"$in": list(note_ids)}}
        with self._at(scope) as store:
            found = store.similarity_search_by_vector_with_relevance_scores(vector, k, filter=only)
        return [_passage(scope, hit.page_content, hit.metadata, far) for hit, far in found]

    def close(self) -> None:
        """Let go of the client: its files, its memory or its connections."""
        client, self._client = self._client, None
        if client is None:
            return
        client.close()
        # Chroma 1.5.9 leaves the connections of its HTTP client open when it is closed.
        for api in (client._server, client._admin_client._server):
            if session := getattr(api, "_session", None):
                session.close()

    @contextmanager
    def _at(self, scope: Scope, writes: bool = False) -> Iterator["Chroma"]:
        """Give the collection of a scope, as it is now."""
        from langchain_chroma import Chroma

        with self._turns.take(writes) if self._turns else nullcontext(False) as stale:
            with self._connecting:
                if stale:
                    self.close()
                self._client = self._client or self._connect()
            yield Chroma(
                collection_name=self._salt + scope.collection,
                embedding_function=self._embeddings,
                client=self._client,
                collection_configuration=_CONFIGURATION,
            )


def _shred(folder: Path) -> None:
    """Overwrite what is deleted: SQLite and its full-text index keep it in freed pages."""
    path = folder / "chroma.sqlite3"
    with closing(sqlite3.connect(path, timeout=_VACUUM_WAIT_S)) as database:
        database.execute(
            "INSERT INTO embedding_fulltext_search(embedding_fulltext_search) VALUES('optimize')"
        )
        database.commit()
        database.execute("VACUUM")


def _metadata(document: Document, chunk: Chunk, of: int) -> dict[str, Any]:
    return {
        "document": document.id,
        "title": document.title,
        "note": document.note_id or "",
        "characters": len(document.text),
        "first": chunk.first,
        "heading": chunk.heading,
        "page": chunk.page or 0,
        "start": chunk.start,
        "end": chunk.end,
        "header": len(chunk.with_header(document.title)) - len(chunk.text),
        "of": of,
        "version": VERSION,
    }


def _passage(scope: Scope, content: str, m: dict[str, Any], distance: float) -> Passage:
    return Passage(
        document_id=m["document"],
        title=m["title"],
        text=content[m["header"] :],
        start=m["start"],
        end=m["end"],
        score=1.0 - distance,
        scope=scope,
        note_id=m["note"] or None,
        heading=m["heading"],
        page=m["page"] or None,
    )
