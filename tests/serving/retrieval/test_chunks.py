import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.models.files import embedding_model_path
from serving.retrieval.chunks import PASSAGE_PIECES, split
from serving.retrieval.documents import read_document
from serving.retrieval.embedding import LocalEmbeddings
from serving.settings import Settings

EMBEDDINGS = LocalEmbeddings(embedding_model_path(Settings()))
MODEL_READS = 254  # MiniLM's 256 word pieces less its own two marks


@given(
    st.lists(st.sampled_from(["word ", "# Head\n", "\n", "\n\n", "Na 138. ", "é", "x" * 400, " "]))
)
@settings(max_examples=60)
def test_passages_hold_the_document_in_order_but_for_white_space(parts: list[str]) -> None:
    text = "start " + "".join(parts)
    document = read_document("t", text.encode())
    end = 0
    for chunk in split(document, EMBEDDINGS.count):
        assert document.text[end : chunk.start].strip() == ""
        assert document.text[chunk.start : chunk.end] == chunk.text
        assert chunk.text.strip()
        end = chunk.end
    assert document.text[end:].strip() == ""


def test_a_passage_with_its_header_fits_what_the_model_reads() -> None:
    text = "# Renal dosing\n" + "Gentamicin 5 mg/kg q24h; CrCl 30-60: q36h. " * 200
    chunks = split(read_document("t", text.encode()), EMBEDDINGS.count)
    assert len(chunks) > 5
    for chunk in chunks:
        assert EMBEDDINGS.count(chunk.text) <= PASSAGE_PIECES
        assert EMBEDDINGS.count(chunk.with_header("Renal dosing")) <= MODEL_READS


def test_a_passage_ends_with_a_sentence_and_knows_its_heading_and_page() -> None:
    text = "# One\n" + "The drain stays in place. " * 60 + "\n# Two\nThe end."
    chunks = split(read_document("t", text.encode()), EMBEDDINGS.count)
    assert chunks[0].heading == "One"
    assert chunks[-1].heading == "Two"
    assert all(c.text.rstrip().endswith((".", "One")) for c in chunks)
    assert [c.first for c in chunks] == [True] + [False] * (len(chunks) - 1)


@pytest.mark.parametrize("line", ["x" * 200_000, "word " * 40_000])
def test_a_line_of_200_000_characters_becomes_readable_passages(line: str) -> None:
    chunks = split(read_document("t", line.encode()), EMBEDDINGS.count)
    assert max(len(c.text) for c in chunks) <= PASSAGE_PIECES * 8
    assert "".join(c.text for c in chunks) == line


def test_the_title_is_not_said_twice() -> None:
    chunk = split(read_document("t", b"# Falls\nlook"), EMBEDDINGS.count)[0]
    assert chunk.with_header("Falls") == "Falls\n# Falls\nlook"
