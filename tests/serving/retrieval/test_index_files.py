"""What embedded Chroma leaves on disk, and what happens when a server is gone."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.notes import Admission, Note
from serving.retrieval import index as index_module
from serving.retrieval.documents import read_document
from serving.retrieval.embedding import LocalEmbeddings
from serving.retrieval.index import Index, IndexUnavailable
from serving.retrieval.scopes import REFERENCE, documents_of, notes_of
from serving.settings import Settings

BESIDE = """
import sys
from pathlib import Path
from serving.retrieval.documents import read_document
from serving.retrieval.index import Index
from serving.retrieval.scopes import documents_of
from serving.settings import Settings

index = Index(Settings(home=Path(sys.argv[1])))
print([passage.text for passage in index.search([documents_of(1)], "key")])
index.add_document(1, read_document("b", b"Key 2 opens door 2."))
index.close()
"""


def _holding(folder: Path, words: bytes) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files if words in path.read_bytes()]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def index(home: Path, tmp_path: Path, embeddings: LocalEmbeddings) -> Iterator[Index]:
    made = Index(Settings(home=home), embeddings, tmp_path)
    yield made
    made.close()


def test_a_deleted_document_leaves_no_word_on_disk(index: Index, home: Path) -> None:
    kept = read_document("kept.txt", b"# Kept title\nThe periwinkle stays where it is.")
    index.add_document(1, kept)
    for number in range(3):
        gone = read_document("gone.txt", b"# Gone title\nThe zebrafish %d swims." % number)
        index.add_document(1, gone)
        assert _holding(home, b"zebrafish")
        index.delete_document(1, gone.id)
        assert _holding(home, b"zebrafish") == []
        assert _holding(home, b"Gone title") == []
    assert _holding(home, b"periwinkle")


def test_documents_outlive_the_process_and_their_folder_is_private(
    index: Index, home: Path, tmp_path: Path
) -> None:
    index.add_document(1, read_document("a.txt", b"The periwinkle is blue."))
    assert (home / "chroma").stat().st_mode & 0o077 == 0
    index.close()
    again = Index(Settings(home=home), index.embeddings, tmp_path)
    assert [entry.title for entry in again.documents(1)] == ["a.txt"]


def test_two_processes_with_one_home_lose_nothing(index: Index, home: Path) -> None:
    def add(number: int) -> None:
        index.add_document(1, read_document("a", b"Key %d opens door %d." % (number, number)))

    add(1)
    other = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BESIDE, str(home)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert other.returncode == 0, other.stderr
    assert "Key 1 opens door 1." in other.stdout
    assert len(index.search([documents_of(1)], "key", k=9)) == 2
    add(3)
    index.close()
    found = index.search([documents_of(1)], "key", k=9)
    assert sorted(p.text for p in found) == [f"Key {n} opens door {n}." for n in (1, 2, 3)]


def test_patients_notes_never_reach_the_disk(index: Index, home: Path) -> None:
    index.reference()  # opens the files
    stay = Admission("S", notes=(Note("n", "Nursing", "", "The axolotl bit the patient."),))
    assert index.search([notes_of(1, "S")], "bite", admission=stay)
    assert _holding(home, b"axolotl") == []


def test_an_interrupted_document_is_completed(index: Index, tmp_path: Path) -> None:
    text = "# Long\n" + "One sentence about sodium follows another. " * 60
    (tmp_path / "long.md").write_text(text)
    [entry] = index.reference()
    with index._kept._at(REFERENCE, writes=True) as store:
        store.delete(where={"start": {"$gt": 1000}})
    later = Index(index._settings, index.embeddings, tmp_path)
    assert later.text(REFERENCE, entry.id).strip() == text.strip()


def test_the_stay_asked_about_longest_ago_makes_room(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_module, "_STAYS", 2)
    for hadm_id in ("A", "B", "A", "C"):
        index.hold_notes(1, Admission(hadm_id, notes=(Note("n", "", "", f"about {hadm_id}"),)))
    assert [scope.admission for scope in index._held] == ["A", "C"]


def test_a_server_that_is_not_there_is_said_so(tmp_path: Path, embeddings: LocalEmbeddings) -> None:
    gone = Settings(home=tmp_path, chroma_url="http://127.0.0.1:9")
    with pytest.raises(IndexUnavailable, match="ROUNDS_CHROMA_URL"):
        Index(gone, embeddings, tmp_path).documents(1)
